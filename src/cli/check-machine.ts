import { lookup } from 'node:dns/promises';
import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { BlockList, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Config } from '../config/config.ts';
import { controlSocket } from '../desk/verbs.ts';
import { somebodyListensOn } from '../listen.ts';
import { bad, type Finding, ok, warn } from './finding.ts';

/** One larger image, or some small ones: below it the next build may be the last. */
const LITTLE_ROOM = 2 * 2 ** 30;

/** Whether the data folder can be used, by nobody else, and has room. */
export async function checkDataFolder({ dataDir }: Config): Promise<Finding[]> {
  const about = 'data folder';
  const found = await stat(dataDir).catch(() => undefined);
  if (found === undefined) return [ok(about, `${dataDir} is made by the first start`)];
  const usable = await access(dataDir, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!found.isDirectory() || !usable) {
    return [bad(about, `${dataDir} cannot be written`, 'Name another with --data-dir.')];
  }
  const open = (found.mode & 0o077) !== 0;
  const { bavail, bsize } = await statfs(dataDir);
  const room = `${((bavail * bsize) / 2 ** 30).toFixed(1)} GiB free`;
  return [
    open
      ? warn(about, `${dataDir} is open to others`, `Run "chmod 700 ${dataDir}".`)
      : ok(about, dataDir),
    bavail * bsize < LITTLE_ROOM
      ? warn('disk', room, 'Make room; "pool ls" and "pool rm" help.')
      : ok('disk', room),
  ];
}

/** Whether names below each domain lead to this machine. */
export async function checkNames({ domains }: Config): Promise<Finding[]> {
  const own = new BlockList();
  own.addSubnet('127.0.0.0', 8);
  own.addAddress('::1', 'ipv6');
  for (const { address, family } of Object.values(networkInterfaces()).flatMap((one) => one ?? []))
    own.addAddress(address, family === 'IPv4' ? 'ipv4' : 'ipv6');
  return await Promise.all(
    domains.map(async (domain, index) => {
      const about = `*.${domain}`;
      const found = await lookup(`x.${domain}`).catch(() => undefined);
      const here =
        found !== undefined && own.check(found.address, found.family === 6 ? 'ipv6' : 'ipv4');
      if (here) return ok(about, `leads here (${found.address})`);
      if (found === undefined && /(^|\.)localhost$/.test(domain))
        return ok(about, 'browsers and curl find it; other programs may not');
      const words = found === undefined ? 'does not resolve here' : `leads to ${found.address}`;
      const next = `Make *.${domain} resolve to this machine, or leave it out with --domain.`;
      // Links that pool prints have the first domain; nobody may need the others.
      return index === 0 ? warn(about, words, next) : ok(about, `${words}; links do not use it`);
    }),
  );
}

/** Whether a pool runs on the data folder, and whether its port is free otherwise. */
export async function checkPort({ listen, dataDir }: Config): Promise<Finding> {
  const about = 'port';
  const where = `${listen.host}:${listen.port}`;
  const running = await somebodyListensOn(controlSocket(dataDir));
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
  server.listen(listen, () => resolve(undefined));
  const code = await promise;
  server.close();
  const next = 'Choose another with --listen.';
  if (code === 'EADDRINUSE' && running) return ok(about, `${where} is held by the pool that runs`);
  if (code === 'EADDRINUSE') return bad(about, `${where} is taken by another program`, next);
  if (code !== undefined) return bad(about, `${where} cannot be listened on (${code})`, next);
  return ok(
    about,
    running ? `${where} is free; the pool that runs listens elsewhere` : `${where} is free`,
  );
}

/** What of this machine a preview reaches through its gateway: all that listens on every address. */
export async function checkExposure({ listen }: Config): Promise<Finding> {
  const about = 'exposure';
  const files = ['/proc/net/tcp', '/proc/net/tcp6'].map(
    async (path) => await readFile(path, 'utf8').catch(() => ''),
  );
  const ports = listenersOnAll((await Promise.all(files)).join('\n'));
  const others = ports.filter((port) => port !== listen.port);
  if (others.length === 0) return ok(about, 'previews reach no other service of this machine');
  const words = `previews reach these ports of this machine: ${others.join(', ')}`;
  return warn(about, words, 'Let those services listen on 127.0.0.1, or close them in a firewall.');
}

/** The ports of `/proc/net/tcp` and `tcp6` that something listens on under every address. */
export function listenersOnAll(text: string): number[] {
  const found = text.matchAll(/^\s*\d+: (?:0{8}|0{32}):([0-9A-F]{4}) \S+ 0A /gm);
  return [...new Set([...found].map(([, port]) => Number.parseInt(port ?? '', 16)))].toSorted(
    (a, b) => a - b,
  );
}
