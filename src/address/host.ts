import { LABEL_LIMIT, type LabelParts, parseLabel } from './label.ts';

/** A preview's address as a visitor spelled it. */
export interface Address extends LabelParts {
  /** The one label that names it, lower case. */
  label: string;
  /** The bare domain to link back to, with the visitor's port: `pool.localhost:8080`. */
  site: string;
}

/** Where a request is bound, by its Host alone. */
export type Destination =
  | { kind: 'preview'; address: Address }
  | { kind: 'desk'; site: string }
  | { kind: 'refused'; status: 400 | 404 | 421; reason: string };

/** What of a request decides its destination. */
export interface RequestHead {
  /** `1.0` or `1.1`, as `IncomingMessage.httpVersion` gives it. */
  httpVersion: string;
  /** Every Host header's value, in order. */
  hosts: readonly string[];
  /** The request target: origin-form, absolute-form or `*`. */
  target: string;
}

/** RFC 1035, section 2.3.4, less the length bytes. */
const NAME_LIMIT = 253;

/** Many more than are visited within a minute; some hundred bytes each. */
const REMEMBERED = 1000;

/** What Host headers mean to one pool. The same few come thousands of times, and are read once. */
export class Destinations {
  readonly #domains: readonly string[];
  readonly #known = new Map<string, Destination>();

  constructor(domains: readonly string[]) {
    this.#domains = domains;
  }

  /** As `destinationOf`. */
  of(head: RequestHead): Destination {
    const [host = ''] = head.hosts;
    const alone = head.hosts.length === 1 && head.target.startsWith('/');
    const known = alone ? this.#known.get(host) : undefined;
    if (known !== undefined) return known;
    const destination = destinationOf(head, this.#domains);
    if (!alone || destination.kind === 'refused') return destination;
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(host, destination);
    return destination;
  }
}

/**
 * Host header to destination (RFC 9112, section 3.2; RFC 9110, section 15.5.20). The longest of
 * `domains` that ends the host wins; what matches none reaches neither git nor the engine.
 */
export function destinationOf(head: RequestHead, domains: readonly string[]): Destination {
  const [host, ...others] = head.hosts;
  if (host === undefined && head.httpVersion === '1.0') return refuse(421, 'no Host was sent');
  if (host === undefined) return refuse(400, 'the Host header is missing');
  if (others.length > 0) return refuse(400, 'there is more than one Host header');
  if (!sameAuthority(head.target, host))
    return refuse(400, 'the target and the Host header differ');

  const authority = parseAuthority(host);
  if (typeof authority === 'string') return refuse(400, authority);
  const { name, port } = authority;
  if (isAddressLiteral(name)) return refuse(421, 'an IP address names no preview');

  const domain = longestDomain(name, domains);
  if (domain === undefined) return refuse(421, 'this domain is not served here');
  const site = domain + port;
  if (name === domain) return { kind: 'desk', site };

  // Labels further left belong to the application.
  const label =
    name
      .slice(0, -domain.length - 1)
      .split('.')
      .at(-1) ?? '';
  const parts = parseLabel(label);
  if (typeof parts === 'string') return refuse(404, parts);
  return { kind: 'preview', address: { ...parts, label, site } };
}

function refuse(status: 400 | 404 | 421, reason: string): Destination {
  return { kind: 'refused', status, reason };
}

function sameAuthority(target: string, host: string): boolean {
  if (target.startsWith('/')) return true;
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target);
  return absolute === null || absolute[1]?.toLowerCase() === host.toLowerCase();
}

/** Splits `name:port`; a sentence where it is neither. */
function parseAuthority(host: string): { name: string; port: string } | string {
  if (host === '') return 'the Host header is empty';
  const literal = /^(\[[0-9a-f:.]+\])(:[0-9]{1,5})?$/i.exec(host);
  if (literal) return { name: literal[1] ?? '', port: literal[2] ?? '' };

  const match = /^([a-z0-9._-]*)(?::([0-9]{1,5}))?$/i.exec(host);
  if (match === null) return 'the Host header has characters that no host name has';
  const [, written = '', port] = match;
  if (Number(port ?? 0) > 65_535) return 'the port of the Host header is above 65535';

  const name = written.toLowerCase().replace(/\.$/, '');
  if (name.length > NAME_LIMIT) return `a host name has at most ${NAME_LIMIT} characters`;
  for (const label of name.split('.')) {
    if (label === '') return 'the host name has an empty label';
    if (label.length > LABEL_LIMIT) return `a label has at most ${LABEL_LIMIT} characters`;
  }
  return { name, port: port === undefined ? '' : `:${port}` };
}

function isAddressLiteral(name: string): boolean {
  return name.startsWith('[') || /^[0-9]+(\.[0-9]+){3}$/.test(name);
}

function longestDomain(name: string, domains: readonly string[]): string | undefined {
  let longest: string | undefined;
  for (const domain of domains) {
    const ends =
      name.endsWith(domain) &&
      (name.length === domain.length || name.at(-domain.length - 1) === '.');
    if (ends && domain.length > (longest?.length ?? 0)) longest = domain;
  }
  return longest;
}
