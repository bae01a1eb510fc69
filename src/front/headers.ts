/** Headers of one connection, not of the message (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** What frames and addresses a message, and is its own whatever Connection names. */
const KEPT = new Set(['host', 'content-length']);

/** Who a client says it is, and by which way it came: pool sets these anew. */
export function isForwarding(name: string): boolean {
  return /^(forwarded|x-real-ip|x-forwarded-.*)$/i.test(name);
}

/** What pool tells an application of the visitor's side: names and values of headers in turn. */
export type ClientSide = readonly string[];

/** A request's headers as the application gets them: order and case kept, name and value in turn. */
export function requestHeaders(raw: readonly string[], client: ClientSide): string[] {
  const chunked = isChunked(raw);
  // Only a chunked body has a place for trailers.
  const drop = (name: string) => isForwarding(name) || (name === 'trailer' && !chunked);
  return [...endToEnd(raw, drop), ...(chunked ? ['Transfer-Encoding', 'chunked'] : []), ...client];
}

/** An answer's headers as the visitor gets them, with pool's own at the end. */
export function responseHeaders(
  raw: readonly string[],
  own: readonly string[],
  canTrail = true,
): string[] {
  const replaced = new Set(
    own.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()),
  );
  if (!canTrail) replaced.add('trailer');
  return [...endToEnd(raw, (name) => replaced.has(name)), ...own];
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
  return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === wanted);
}

/** A message's headers without those of its connection, those that Connection names among them. */
export function endToEnd(
  raw: readonly string[],
  drop: (name: string) => boolean = () => false,
): string[] {
  const named = new Set(
    valuesOf(raw, 'connection')
      .flatMap((value) => value.split(',').map((token) => token.trim().toLowerCase()))
      .filter((name) => !KEPT.has(name)),
  );
  return raw.filter((_, index) => {
    const name = raw[index - (index % 2)]?.toLowerCase() ?? '';
    return !HOP_BY_HOP.has(name) && !named.has(name) && !drop(name);
  });
}

/** Headers as pairs, out of a list of names and values in turn. */
export function pairs(raw: readonly string[]): [name: string, value: string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : []));
}

/** A target as an origin server gets it (RFC 9112, section 3.2.1): an absolute one loses its authority. */
export function originForm(target: string): string {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target);
  if (absolute === null) return target;
  const rest = target.slice(absolute[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
