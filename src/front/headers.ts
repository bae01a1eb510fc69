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

/** Who a client says it is, and by which way it came: pool sets these, and believes nobody. */
export function isForwarding(name: string): boolean {
  return /^(forwarded|x-real-ip|x-forwarded-.*)$/i.test(name);
}

/** What pool knows of the visitor's side. */
export interface ClientSide {
  address: string;
  protocol: 'http' | 'https';
  host: string;
}

/** A request's headers as the application gets them: order and case kept, name and value in turn. */
export function requestHeaders(raw: readonly string[], client: ClientSide): string[] {
  const chunked = pairs(raw).some(
    ([name, value]) => name.toLowerCase() === 'transfer-encoding' && /chunked/i.test(value),
  );
  return [
    ...endToEnd(raw, isForwarding),
    ...(chunked ? ['Transfer-Encoding', 'chunked'] : []),
    'X-Forwarded-For',
    client.address,
    'X-Forwarded-Host',
    client.host,
    'X-Forwarded-Proto',
    client.protocol,
  ];
}

/** An answer's headers as the visitor gets them, with pool's own at the end. */
export function responseHeaders(raw: readonly string[], own: readonly string[]): string[] {
  const replaced = new Set(
    own.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()),
  );
  return [...endToEnd(raw, (name) => replaced.has(name)), ...own];
}

function endToEnd(raw: readonly string[], drop: (name: string) => boolean): string[] {
  const named = pairs(raw)
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((token) => token.trim().toLowerCase()))
    .filter((name) => !KEPT.has(name));
  const dropped = new Set([...HOP_BY_HOP, ...named]);
  return pairs(raw)
    .filter(([name]) => !dropped.has(name.toLowerCase()) && !drop(name.toLowerCase()))
    .flat();
}

function pairs(raw: readonly string[]): [name: string, value: string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : []));
}

/** A target as an origin server gets it (RFC 9112, section 3.2.1): an absolute one loses its authority. */
export function originForm(target: string): string {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target);
  if (absolute === null) return target;
  const rest = target.slice(absolute[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
