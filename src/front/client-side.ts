import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { type ClientSide, valuesOf } from './headers.ts';

/** Whether an address is that of a proxy which the operator named. */
export type Trust = (address: string) => boolean;

/** Reads addresses and networks ("10.0.0.0/8", "::1") of proxies that may be believed. */
export function trustOf(proxies: readonly string[]): Trust {
  if (proxies.length === 0) return () => false;
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/**
 * The headers that tell an application who asks: X-Forwarded-* and Forwarded (RFC 7239). What the
 * client itself says there counts only where it is a trusted proxy: then pool adds to its list, and
 * passes on by which scheme and name the visitor came.
 */
export function clientSide({ socket, rawHeaders }: IncomingMessage, trust: Trust): ClientSide {
  const address = plainAddress(socket.remoteAddress ?? 'unknown');
  const trusted = trust(address);
  const told = (name: string) =>
    trusted ? valuesOf(rawHeaders, name).filter((value) => value.trim() !== '') : [];
  // The last value is the proxy's own; what stands before it, it may have had from anybody.
  const last = (name: string) => told(name).join(',').split(',').at(-1)?.trim();
  const protocol = last('x-forwarded-proto')?.toLowerCase() === 'https' ? 'https' : 'http';
  const host = last('x-forwarded-host') || (valuesOf(rawHeaders, 'host')[0] ?? '');
  const by = address.includes(':') ? `"[${address}]"` : address;
  const element = `for=${by};host="${host.replaceAll(/["\\]/g, '\\$&')}";proto=${protocol}`;
  return [
    'X-Forwarded-For',
    [...told('x-forwarded-for'), address].join(', '),
    'X-Forwarded-Host',
    host,
    'X-Forwarded-Proto',
    protocol,
    'Forwarded',
    [...told('forwarded'), element].join(', '),
  ];
}

/** Without what only this machine makes of it: `::ffff:192.0.2.1`, `fe80::1%eth0`. */
function plainAddress(address: string): string {
  return address.includes(':') ? address.replace(/^::ffff:|%.*$/g, '') : address;
}
