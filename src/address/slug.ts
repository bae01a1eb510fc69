import { createHash } from 'node:crypto';

const LIMIT = 40;
const KEPT = 33;

/**
 * A branch's or tag's name as a DNS label spells it: lower case, each run of other characters one
 * hyphen. A name that leaves nothing, or more than 40 characters, keeps 33 of them and gets six
 * hex digits of the SHA-256 of the whole name, so that long names that begin alike differ.
 */
export function slug(name: string): string {
  const plain = hyphenate(name);
  if (plain !== '' && plain.length <= LIMIT) return plain;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 6);
  return hyphenate(`${plain.slice(0, KEPT)}-${digest}`);
}

function hyphenate(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}
