import { isIP } from 'node:net';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { CAPABILITIES } from './capabilities.ts';
import { repositoryIn } from './repository.ts';
import { strict } from './strict.ts';

const MINUTE_MS = 60_000;

/** Longer than this a timer of Node cannot wait. */
const LONGEST_MS = 2 ** 31 - 1;

const Domain = z
  .string()
  .toLowerCase()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    'expected a domain name such as pool.localhost',
  );

const Listen = z.string().transform((text, context) => {
  const match = /^(?:(\[[0-9a-f:]+\]|[^:[\]]+):)?([0-9]{1,5})$/i.exec(text);
  const port = Number(match?.[2] ?? NaN);
  if (match === null || !(port <= 65_535)) {
    context.addIssue('expected <host>:<port> such as 127.0.0.1:8080');
    return z.NEVER;
  }
  return { host: (match[1] ?? '127.0.0.1').replaceAll(/[[\]]/g, ''), port };
});

const PublicUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href)
    return url;
  context.addIssue('expected <scheme>://<domain>[:<port>] such as https://pool.example.com');
  return z.NEVER;
});

const Memory = z
  .string()
  .regex(/^[1-9][0-9]{0,5}[mg]$/i, 'expected a number with m or g, such as 512m')
  .transform((text) => Number.parseInt(text, 10) * (/g$/i.test(text) ? 2 ** 30 : 2 ** 20))
  // What Docker itself asks for.
  .refine((bytes) => bytes >= 6 * 2 ** 20, 'expected at least 6m');

const Capability = z
  .string()
  .toUpperCase()
  .transform((name) => name.replace(/^CAP_/, ''))
  .refine((name) => CAPABILITIES.has(name), 'expected a Linux capability such as NET_BIND_SERVICE');

const HostPort = z.int().min(1024).max(65_535);

/** Where relative paths begin: flags at the folder one stands in, the file's own at the file's. */
type FolderOf = (key: 'repositories' | 'dataDir') => string;

/**
 * The one description of what can be configured; the file, the flags and the tests go through it
 * alike. docs/configuration.md has the same as a table, and a test holds it to this.
 */
export function schemaIn(folderOf: FolderOf) {
  return strict({
    /** What is served: `<path or URL>`, `name=<…>`, or an object as described below.
     * @default the repository one stands in
     * @example ['../shop', { name: 'docs', url: 'https://git.example.com/docs.git' }] */
    repositories: z
      .array(repositoryIn(folderOf('repositories')))
      .min(
        1,
        'expected at least one repository: stand in one, or name it with --repository <path or URL>',
      )
      .superRefine((repositories, context) => {
        for (const [name, same] of Map.groupBy(repositories, (one) => one.name)) {
          if (same.length > 1) context.addIssue(`expected different names, came ${name} twice`);
        }
      }),
    /** Under which domains previews are; the first one is used in links that pool prints.
     * @default ['pool.localhost', 'pool.dev']
     * @example ['pool.example.com'] */
    domains: z.array(Domain).min(1).default(['pool.localhost', 'pool.dev']),
    /** Where visitors are awaited.
     * @default '127.0.0.1:8080'
     * @example '0.0.0.0:80' */
    listen: Listen.prefault('127.0.0.1:8080'),
    /** Under which scheme and port visitors reach pool, where a proxy stands before it. Its domain is the first of `domains`.
     * @default http with the port of listen
     * @example 'https://pool.localhost' */
    publicUrl: PublicUrl.optional(),
    /** Proxies before pool whose `X-Forwarded-*` headers are believed: addresses or networks.
     * @default []
     * @example ['10.0.0.1', 'fd00::/8'] */
    trustedProxies: z
      .array(z.string().refine(isNetwork, 'expected an IP address or a network such as 10.0.0.0/8'))
      .default([]),
    /** Mirrors, logs and sockets.
     * @default pool in $XDG_DATA_HOME or ~/.local/share
     * @example '/var/lib/pool' */
    dataDir: z
      .string()
      .min(1)
      .transform((path) => resolve(folderOf('dataDir'), path))
      .refine((path) => !/^\/(proc|sys|dev)(\/|$)/.test(path), 'expected a folder on a disk')
      .default(defaultDataDir()),
    /** What tells this pool's containers, images and network from those of others on the same engine.
     * @default $POOL_INSTANCE, else derived from the path of dataDir
     * @example 'shop' */
    instance: z
      .string()
      .regex(
        /^[a-z0-9]+(-[a-z0-9]+)*$/,
        'expected a name of a-z, 0-9 and single hyphens, such as shop',
      )
      .max(30, 'expected at most 30 characters')
      .optional()
      .prefault(process.env['POOL_INSTANCE'] || undefined),
    /** The engine, as DOCKER_HOST spells it.
     * @default $DOCKER_HOST, else the first usual socket that answers
     * @example 'unix:///run/docker.sock' */
    engine: z
      .string()
      // What ssh needs instead is said where the engine is dialled: DOCKER_HOST may say it too.
      .regex(/^(unix|tcp|ssh):\/\//, 'expected unix:///path/docker.sock or tcp://127.0.0.1:2375')
      .optional(),
    /** The address of the engine's machine that previews are published on, and dialled at. Whoever else reaches it reaches them past pool.
     * @default '127.0.0.1'
     * @example '10.0.0.5' */
    publishOn: z
      .ipv4('expected an IPv4 address of the engine’s machine, such as 10.0.0.5')
      .refine((address) => address !== '0.0.0.0', 'expected one address, since pool dials it too')
      .default('127.0.0.1'),
    /** `auto` takes BuildKit where the engine has it.
     * @default 'auto'
     * @example 'classic' */
    builder: z.enum(['auto', 'buildkit', 'classic']).default('auto'),
    /** Registries whose logins builds may use, out of the file of `docker login`: a commit's Dockerfile may then name any image there that the login can read.
     * @default []
     * @example ['ghcr.io', 'registry.example.com:5000'] */
    registries: z
      .array(
        z
          .string()
          .regex(
            /^[a-z0-9.-]+(:[0-9]{1,5})?$/,
            'expected a registry such as ghcr.io, with no path',
          ),
      )
      .default([]),
    /** Builds at once: one keeps the machine usable for those who visit.
     * @default 1
     * @example 2 */
    buildConcurrency: z.int().min(1).max(64).default(1),
    /** Builds that may wait: far above what people cause, and soon reached by a crawler.
     * @default 100
     * @example 20 */
    queueLimit: z.int().min(1).default(100),
    /** A build beyond this hangs.
     * @default 15 * 60_000
     * @example 60 * 60_000 */
    buildTimeoutMs: z
      .int()
      .min(1000)
      .max(LONGEST_MS)
      .default(15 * MINUTE_MS),
    /** An application that does not answer within this does not listen where pool asks.
     * @default 60_000
     * @example 3 * 60_000 */
    startTimeoutMs: z.int().min(1000).max(LONGEST_MS).default(MINUTE_MS),
    /** How long clients that are no browsers are held; below the usual time-outs of a minute.
     * @default 60_000
     * @example 25_000 */
    holdMs: z.int().min(0).max(LONGEST_MS).default(MINUTE_MS),
    /** A branch's tip is at most so old.
     * @default 10_000
     * @example 60_000 */
    refreshMs: z.int().min(100).max(LONGEST_MS).default(10_000),
    /** Host ports that previews are published on.
     * @default { first: 20_000, last: 29_999 }
     * @example { first: 40_000, last: 40_999 } */
    portRange: strict({ first: HostPort, last: HostPort })
      .refine(({ first, last }) => first <= last, 'expected first to be at most last')
      .default({ first: 20_000, last: 29_999 }),
    /** What one preview's container may take: memory, and processes with their threads.
     * @default { memory: '1g', processes: 512 }
     * @example { memory: '256m' } */
    limits: strict({
      memory: Memory.prefault('1g'),
      processes: z.int().min(1).max(100_000).default(512),
    }).prefault({}),
    /** What a preview's root may do, and no more: what web servers need to bind low ports and to become their own users.
     * @default ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETUID']
     * @example [] */
    capabilities: z
      .array(Capability)
      .default([
        'CHOWN',
        'DAC_OVERRIDE',
        'FOWNER',
        'FSETID',
        'KILL',
        'NET_BIND_SERVICE',
        'SETGID',
        'SETUID',
      ]),
    /** Whether search engines are told to stay away (`X-Robots-Tag`).
     * @default true
     * @example false */
    noindex: z.boolean().default(true),
  }).superRefine(({ publicUrl, domains }, context) => {
    if (publicUrl === undefined || publicUrl.hostname === domains[0]) return;
    const message = `expected the first of domains, ${domains[0]}`;
    context.addIssue({ code: 'custom', path: ['publicUrl'], message, input: publicUrl.href });
  });
}
type Schema = ReturnType<typeof schemaIn>;

/** A configuration that was checked, with every default in it. */
export type Config = z.output<Schema>;
/** What may stand in pool.config.ts. */
export type ConfigInput = z.input<Schema>;

/** Types what pool.config.ts exports; hands it on as it is. */
export function defineConfig(config: Partial<ConfigInput>): Partial<ConfigInput> {
  return config;
}

function defaultDataDir(): string {
  const data = process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share');
  return join(data, 'pool');
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (most < 0 || more.length > 0) return false;
  return bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= most);
}
