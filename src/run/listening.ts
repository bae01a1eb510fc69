import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import type { Port } from '../address/label.ts';

/** Where an application accepts TCP connections, as the kernel tells it. */
export interface ListeningSocket {
  /** "0.0.0.0", "127.0.0.1", "[::1]". */
  address: string;
  port: Port;
  /** Nobody outside the container reaches it. */
  loopback: boolean;
}

/** `TCP_LISTEN` of the kernel's include/net/tcp_states.h, in hex. */
const LISTEN = '0A';
/** On a network of its own a container finds the engine's name server here. */
const ENGINE_DNS = '127.0.0.11';

/**
 * The listening sockets of a container's network, read from this machine's kernel; `undefined`
 * where that cannot be: the engine's processes are elsewhere (a virtual machine, another host, a
 * PID namespace), or hidden. World-readable, so it needs no right that pool does not have.
 */
export async function listeningIn(
  containerId: string,
  pid: number,
  proc = '/proc',
): Promise<ListeningSocket[] | undefined> {
  const read = async (name: string) => await readFile(`${proc}/${pid}/${name}`, 'utf8');
  try {
    // A machine without IPv6 has no second table.
    const tables = [await read('net/tcp'), await read('net/tcp6').catch(() => '')];
    // Asked last: a number that went to another process meanwhile is found out as well.
    if (!isContainer(await read('mountinfo'), containerId)) return undefined;
    return tables.flatMap(parseListening);
  } catch {
    return undefined;
  }
}

/** The listening sockets of a table as `/proc/net/tcp` and `tcp6` have it, without the engine's own. */
export function parseListening(table: string): ListeningSocket[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [, hex, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (state !== LISTEN || hex === undefined || port === undefined) return [];
    const address = formatAddress(hex);
    const loopback = address.startsWith('127.') || address === '[::1]';
    const socket = { address, port: Number.parseInt(port, 16) as Port, loopback };
    return address === ENGINE_DNS ? [] : [socket];
  });
}

/** Ports on which others than the container itself could reach it, if they were published. */
export function unpublishedPorts(
  sockets: readonly ListeningSocket[],
  published: Readonly<Record<number, number>>,
): Port[] {
  const open = sockets.filter(({ port, loopback }) => !loopback && !(port in published));
  return [...new Set(open.map(({ port }) => port))].toSorted((a, b) => a - b);
}

/** What is told of an application that answers nowhere, and what to do about it. */
export function whereItListens(
  sockets: readonly ListeningSocket[] | undefined,
  published: Readonly<Record<number, number>>,
): { words: string; next: string } {
  const wanted = 'Let it listen on 0.0.0.0 and on that port, or name the right one with EXPOSE.';
  if (sockets === undefined) {
    return { words: 'Where it listens cannot be read from this machine.', next: wanted };
  }
  if (sockets.length === 0) return { words: 'It listens on no port at all.', next: wanted };
  const open = sockets.filter(({ loopback }) => !loopback);
  if (open.length === 0) {
    const where = sockets.map(({ address, port }) => `${address}:${port}`).join(' and ');
    const next = 'Let it listen on 0.0.0.0: nobody outside its container reaches loopback.';
    return { words: `It listens on ${where} only.`, next };
  }
  const others = unpublishedPorts(sockets, published).join(', ');
  if (others !== '') {
    const words = `It listens on ${others}, which the image does not EXPOSE.`;
    return {
      words,
      next: `EXPOSE ${others.split(', ')[0]} in the Dockerfile, if that is the one.`,
    };
  }
  const here = [...new Set(open.map(({ port }) => port))].join(', ');
  const next = 'Let it speak HTTP there, or EXPOSE the port where it does.';
  return { words: `It listens on ${here}, and answers no HTTP there.`, next };
}

/**
 * Whether a process is the container's: only there the engine mounts that container's own file over
 * /etc/hostname. Holds for both versions of control groups, and without any.
 */
function isContainer(mounts: string, containerId: string): boolean {
  return mounts.split('\n').some((line) => {
    const [, , , root = '', at] = line.split(' ');
    return at === '/etc/hostname' && root.includes(`/${containerId}/`);
  });
}

/** The kernel writes an address as words in the machine's own order of bytes. */
function formatAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  const mapped = bytes.length === 16 && bytes.toString('hex', 0, 12) === `${'0'.repeat(20)}ffff`;
  if (bytes.length === 4 || mapped) return [...bytes.subarray(-4)].join('.');
  const words = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new URL(`http://[${words.join(':')}]`).hostname;
}
