/** Headers of one connection, not of the message (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

const HOP_BY_HOP_LENGTHS = new Set([...HOP_BY_HOP].map(({ length }) => length));

/** What frames and addresses a message, and is its own whatever Connection names. */
const KEPT = new Set(['host', 'content-length']);

/** Who a client says it is, and by which way it came: pool sets these anew. */
export function isForwarding(name: string): boolean {
  return name.length >= 9 && /^(?:forwarded$|x-(?:real-ip$|forwarded-))/i.test(name);
}

/** What pool tells an application of the visitor's side: names and values of headers in turn. */
export type ClientSide = readonly string[];

/** A request's headers as the application gets them: order and case kept, name and value in turn. */
export function requestHeaders(raw: readonly string[], client: ClientSide): string[] {
  const chunked = isChunked(raw);
  // Only a chunked body has a place for trailers.
  const drop = (name: string) => isForwarding(name) || (!chunked && isNamed(name, 'trailer'));
  const headers = endToEnd(raw, drop);
  if (chunked) headers.push('Transfer-Encoding', 'chunked');
  headers.push(...client);
  return headers;
}

/** An answer's headers as the visitor gets them, with pool's own at the end. */
export function responseHeaders(
  raw: readonly string[],
  own: readonly string[],
  canTrail = true,
): string[] {
  const headers = endToEnd(raw, (name) => {
    for (let at = 0; at < own.length; at += 2) {
      if (isNamed(name, (own[at] ?? '').toLowerCase())) return true;
    }
    return !canTrail && isNamed(name, 'trailer');
  });
  headers.push(...own);
  return headers;
}

/** Trailers as the other side gets them: nothing that frames, addresses or vouches for a message. */
export function trailers(raw: readonly string[]): [name: string, value: string][] {
  return pairs(raw).filter(([given]) => {
    const name = given.toLowerCase();
    return !HOP_BY_HOP.has(name) && !KEPT.has(name) && !isForwarding(name) && name !== 'trailer';
  });
}

/** Whether a message says that its body comes in chunks. */
export function isChunked(raw: readonly string[]): boolean {
  return valuesOf(raw, 'transfer-encoding').some((value) => /chunked/i.test(value));
}

/** RFC 9112, section 6.1: a coding that pool does not undo it must not pass on as undone. */
export function isPlainlyFramed(raw: readonly string[]): boolean {
  return valuesOf(raw, 'transfer-encoding').every(
    (value) => value.trim().toLowerCase() === 'chunked',
  );
}

/** Every value of a header, in order. */
export function valuesOf(raw: readonly string[], wanted: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (isNamed(raw[at] ?? '', wanted)) values.push(raw[at + 1] ?? '');
  }
  return values;
}

/** Whether a name is a lower-case one; most are told apart by their length alone. */
function isNamed(name: string, wanted: string): boolean {
  return name.length === wanted.length && name.toLowerCase() === wanted;
}

/** A message's headers without those of its connection, those that Connection names among them. */
export function endToEnd(
  raw: readonly string[],
  drop: (name: string) => boolean = () => false,
): string[] {
  const named = namedBy(valuesOf(raw, 'connection'));
  const kept: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const hops = isHopByHop(name) || named?.has(name.toLowerCase()) === true;
    if (!hops && !drop(name)) kept.push(name, raw[at + 1] ?? '');
  }
  return kept;
}

function isHopByHop(name: string): boolean {
  return HOP_BY_HOP_LENGTHS.has(name.length) && HOP_BY_HOP.has(name.toLowerCase());
}

/** What values of Connection name, where that is a header at all. */
function namedBy(values: readonly string[]): ReadonlySet<string> | undefined {
  // What nearly everybody says names nothing that is not dropped anyway.
  if (values.every((value) => value === 'keep-alive' || value === 'close')) return undefined;
  const tokens = values.flatMap((value) => value.split(','));
  const names = tokens.map((token) => token.trim().toLowerCase());
  return new Set(names.filter((name) => !KEPT.has(name)));
}

/** Headers as pairs, out of a list of names and values in turn. */
export function pairs(raw: readonly string[]): [name: string, value: string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : []));
}

/** A target as an origin server gets it (RFC 9112, section 3.2.1): an absolute one loses its authority. */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target);
  if (absolute === null) return target;
  const rest = target.slice(absolute[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
