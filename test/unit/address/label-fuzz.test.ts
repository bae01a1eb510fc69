import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { type Destination, destinationOf } from '../../../src/address/host.ts';
import { formatLabel, type LabelParts, parseLabel } from '../../../src/address/label.ts';
import { slug } from '../../../src/address/slug.ts';
import { hostileText } from '../fixtures/hostile-text.ts';
import { seeded } from '../fixtures/numbers.ts';

const SEED = 20_261_120;
const WORD = /^[a-z0-9]+(-[a-z0-9]+)*$/;

it(`fifty thousand labels of hyphens and letters (seed ${SEED}) are parts of the grammar, or a sentence`, () => {
  const random = seeded(SEED);
  let parsed = 0;
  for (let round = 0; round < 50_000; round++) {
    const length = Math.floor(random() * 30);
    const label = Array.from({ length }, () => '---aA09zx.'[Math.floor(random() * 10)]).join('');
    const parts = parseLabel(label);
    const fine = typeof parts === 'string' ? /^[a-z"].*[a-z0-9]$/.test(parts) : isWhole(parts);
    expect(fine, `${label}: ${JSON.stringify(parts)}`).toBe(true);
    if (typeof parts !== 'string') parsed += 1;
  }
  expect(parsed).toBeGreaterThan(1000);
});

it(`ten thousand hostile texts (seed ${SEED}) as hosts are answered in order, and as names become slugs`, () => {
  const random = seeded(SEED);
  for (let round = 0; round < 10_000; round++) {
    const text = hostileText(random);
    const head = { httpVersion: '1.1', hosts: [`${text}.pool.dev`], target: text };
    const destination = destinationOf(head, ['pool.dev']);
    expect(isAnswered(destination), `${JSON.stringify(text)} is answered`).toBe(true);
    expect(slug(text)).toMatch(WORD);
    expect(slug(text).length).toBeLessThanOrEqual(40);
  }
});

/** Each part is of the grammar, and what is written of them is read the same. */
function isWhole(parts: LabelParts): boolean {
  const { ref, repository, port = 1 } = parts;
  const written = formatLabel(ref, repository, parts.port);
  const same = written === undefined || isDeepStrictEqual(parseLabel(written), parts);
  return same && WORD.test(ref) && WORD.test(repository ?? 'none') && port > 0;
}

function isAnswered(destination: Destination): boolean {
  if (destination.kind === 'refused') return [400, 404, 421].includes(destination.status);
  return destination.kind === 'desk' || WORD.test(destination.address.ref);
}
