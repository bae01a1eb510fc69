import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  accepts,
  caddy,
  type Peer,
  PEERS,
  type Running,
  startPeer,
  versionOf,
} from '../test/probes/peers.ts';
import { until } from '../test/unit/fixtures/until.ts';
import { CORE, Pinned } from './process.ts';

/** pool's front alone; what it leads to is at `upstream`. */
const pool: Peer = {
  name: 'pool',
  version: { command: ['true'], pattern: /()/ },
  settings: 'its own `front`, with one route published',
  async prepare(_folder, port, applicationPort) {
    const file = join(import.meta.dirname, 'front-process.ts');
    const args = [port, applicationPort, 1, 1].map(String);
    return [process.execPath, '--disable-warning=DEP0060', file, ...args];
  },
};

export type Name = 'pool' | 'nginx' | 'HAProxy' | 'Caddy' | 'http-proxy';

/** All proxies that are compared. */
export const CONTESTANTS: readonly Peer[] = [pool, ...PEERS, caddy];

export const NAMES: readonly Name[] = CONTESTANTS.map(({ name }) => name as Name);

/** Their names with versions; throws where one is not installed. */
export async function versions(peers: readonly Peer[] = CONTESTANTS): Promise<string[]> {
  const found = peers
    .filter((peer) => peer !== pool)
    .map(async (peer) => {
      const version = await versionOf(peer);
      if (version === undefined) throw new Error(`${peer.name} is not installed`);
      return `${peer.name} ${version}`;
    });
  return await Promise.all(found);
}

/** Starts proxies before one application, each on the core that is measured. */
export async function startAll(
  folder: string,
  applicationPort: number,
  stack: AsyncDisposableStack,
  peers: readonly Peer[] = CONTESTANTS,
): Promise<Record<Name, Running>> {
  const running: [string, Running][] = [];
  for (const peer of peers) {
    const own = join(folder, peer.name);
    mkdirSync(own, { recursive: true });
    const before = ['taskset', '-c', String(CORE.measured)];
    running.push([peer.name, stack.use(await startPeer(peer, own, applicationPort, before))]);
  }
  return Object.fromEntries(running) as Record<Name, Running>;
}

/** pool's front with many routes, each to the next port of an application's. */
export async function startFront(port: number, first: number, many = 1): Promise<Front> {
  const file = join(import.meta.dirname, 'front-process.ts');
  const args = [port, first, many, many].map(String);
  const front = new Pinned(CORE.measured, [process.execPath, file, ...args]);
  await until(`the front listens (${front.errors})`, async () => await accepts(port), 20_000);
  return Object.assign(front, { port });
}

type Front = Pinned & { port: number };
