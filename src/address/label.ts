import type { Brand } from '../brand.ts';

/** What a label names: a slug or hex digits, lower case, single hyphens only. Still to be looked up. */
export type RefText = Brand<string, 'RefText'>;

/** `[a-z0-9]+(-[a-z0-9]+)*`, at most 30 characters, not digits only. */
export type RepositoryName = Brand<string, 'RepositoryName'>;

/** A TCP port, 1-65535. */
export type Port = Brand<number, 'Port'>;

/** The parts of a preview's DNS label. */
export interface LabelParts {
  ref: RefText;
  repository?: RepositoryName;
  port?: Port;
}

/** RFC 1035, section 2.3.4. */
export const LABEL_LIMIT = 63;

/** Long enough for real names, short enough that a 30 digit id still fits beside it in one label. */
export const REPOSITORY_NAME_LIMIT = 30;

/**
 * Reads one DNS label: `ref`, `ref---repository`, `ref---port` or `ref---repository---port`.
 * Returns a sentence that says what is wrong where the grammar refuses it.
 */
export function parseLabel(label: string): LabelParts | string {
  const text = label.toLowerCase();
  if (!/^[a-z0-9-]+$/.test(text)) return 'a label has only letters, digits and hyphens';
  if (/^-|-$/.test(text)) return 'a label neither begins nor ends with a hyphen';
  if (text.includes('----')) return 'four hyphens in a row mean nothing; three separate the parts';

  const [ref = '', ...rest] = text.split('---');
  const parts: LabelParts = { ref: ref.replaceAll('--', '-') as RefText };
  if (rest.length > 2) return 'a label has at most three parts: ref, repository and port';

  const last = rest.at(-1);
  if (last !== undefined && /^[0-9]+$/.test(last)) {
    const port = toPort(last);
    if (port === undefined) return 'a port is a number from 1 to 65535';
    parts.port = port;
    rest.pop();
  }
  const [name, surplus] = rest;
  if (surplus !== undefined) return 'the third part of a label is a port';
  if (name === undefined) return parts;
  const repository = toRepositoryName(name);
  if (repository === undefined) return `"${name}" cannot be the name of a repository`;
  return { ...parts, repository };
}

/**
 * Writes a label, or returns `undefined` where it would pass 63 characters or begin with `xn--`,
 * which browsers take for punycode.
 */
export function formatLabel(ref: string, repository?: string, port?: number): string | undefined {
  const label = [ref, repository, port].filter((part) => part !== undefined).join('---');
  return label.length > LABEL_LIMIT || label.startsWith('xn--') ? undefined : label;
}

/** The label of pool's own links to a commit: the full id, or as many digits of it as fit. */
export function commitLabel(commit: string, repository?: string, port?: number): string {
  const rest = [repository, port].filter((part) => part !== undefined).map((part) => `---${part}`);
  const suffix = rest.join('');
  return commit.slice(0, LABEL_LIMIT - suffix.length) + suffix;
}

/** Digits to a port, or `undefined` outside 1-65535. */
export function toPort(digits: string): Port | undefined {
  const port = Number(digits);
  return /^[0-9]{1,5}$/.test(digits) && port >= 1 && port <= 65_535 ? (port as Port) : undefined;
}

/** Checks a repository's name; `undefined` where it is none. */
export function toRepositoryName(name: string): RepositoryName | undefined {
  const spelled = /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && !/^[0-9]+$/.test(name);
  return spelled && name.length <= REPOSITORY_NAME_LIMIT ? (name as RepositoryName) : undefined;
}
