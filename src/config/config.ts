import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { REPOSITORY_NAME_LIMIT, type RepositoryName, toRepositoryName } from '../address/label.ts';

const MINUTE_MS = 60_000;

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

const RepositorySpec = z.string().transform((text, context) => {
  const [, name, place = ''] = /^(?:([^/=:]+)=)?(.*)$/s.exec(text) ?? [];
  const url = toUrl(place);
  if (url === undefined) {
    context.addIssue('expected the path of a Git repository or an https URL');
    return z.NEVER;
  }
  const named = name === undefined ? nameOf(url) : toRepositoryName(name);
  if (named === undefined) {
    context.addIssue(
      `expected a name of a-z, 0-9 and single hyphens, not only digits, at most ${REPOSITORY_NAME_LIMIT} long, before the "="`,
    );
    return z.NEVER;
  }
  return { name: named, url };
});

/** The one description of what can be configured; flags and tests go through it alike. */
export const Config = z.strictObject({
  /** What is served: `<path or https URL>`, or `name=<…>`. Default: the repository one stands in. */
  repository: z
    .array(RepositorySpec)
    .min(1, 'expected at least one repository')
    .superRefine((repositories, context) => {
      for (const [name, same] of Map.groupBy(repositories, (one) => one.name)) {
        if (same.length > 1) context.addIssue(`expected different names, came ${name} twice`);
      }
    }),
  /** Under which domains previews are; the first one is used in links that pool prints. */
  domain: z.array(Domain).min(1).default(['pool.localhost', 'pool.dev']),
  /** Where visitors are awaited. */
  listen: Listen.default({ host: '127.0.0.1', port: 8080 }),
  /** Mirrors, logs and the control socket. */
  'data-dir': z
    .string()
    .min(1)
    .transform((path) => resolve(path))
    .refine((path) => !/^\/(proc|sys|dev)(\/|$)/.test(path), 'expected a folder on a disk')
    .default(defaultDataDir()),
  /** The engine, as DOCKER_HOST spells it. Default: DOCKER_HOST, else the first usual socket that answers. */
  engine: z
    .string()
    .regex(/^(unix|tcp):\/\//, 'expected unix:///path/docker.sock or tcp://127.0.0.1:2375')
    .optional(),
  /** `auto` takes BuildKit where the engine has it. */
  builder: z.enum(['auto', 'buildkit', 'classic']).default('auto'),
  /** Builds at once: one keeps the machine usable for those who visit. */
  buildConcurrency: z.int().min(1).max(64).default(1),
  /** Builds that may wait: far above what people cause, and soon reached by a crawler. */
  queueLimit: z.int().min(1).default(100),
  /** A build beyond this hangs. */
  buildTimeoutMs: z
    .int()
    .min(1000)
    .default(15 * MINUTE_MS),
  /** An application that does not answer within this does not listen where pool asks. */
  startTimeoutMs: z.int().min(1000).default(MINUTE_MS),
  /** How long clients that are no browsers are held; below the usual time-outs of a minute. */
  holdMs: z.int().min(0).default(MINUTE_MS),
  /** A branch's tip is at most so old. */
  refreshMs: z.int().min(100).default(10_000),
  /** Host ports that previews are published on. */
  portRange: z
    .strictObject({ first: z.int().min(1024).max(65_535), last: z.int().min(1024).max(65_535) })
    .refine(({ first, last }) => first <= last, 'expected first to be at most last')
    .default({ first: 20_000, last: 29_999 }),
});
export type Config = z.output<typeof Config>;
export type ConfigInput = z.input<typeof Config>;

/** One thing that is wrong with a configuration. */
export interface Problem {
  key: string;
  message: string;
}

/** Checks a configuration; all problems at once. */
export function parseConfig(input: object): { config: Config } | { problems: Problem[] } {
  const result = Config.safeParse(input, { reportInput: true });
  if (result.success) return { config: result.data };
  const problems = result.error.issues.map((issue) => {
    const [key = '', index] = issue.path;
    const given = (input as Record<string, unknown>)[String(key)];
    const value = typeof index === 'number' ? (given as unknown[])[index] : given;
    const came = value === undefined ? '' : `; came ${masked(JSON.stringify(value))}`;
    return { key: String(key), message: issue.message + came };
  });
  return { problems };
}

/** Where the user stands: npm moves into pool's own folder before it starts `npm start`. */
export function standingIn(): string {
  const { INIT_CWD, npm_lifecycle_event: script } = process.env;
  return (script === 'start' ? INIT_CWD : undefined) ?? process.cwd();
}

/** A password that somebody put into a URL is not printed. */
function masked(text: string): string {
  return text.replaceAll(/\/\/[^/@\s"]*@/g, '//…@');
}

function defaultDataDir(): string {
  const data = process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share');
  return join(data, 'pool');
}

/** An absolute path, or an https URL without credentials in it; control characters never. */
function toUrl(place: string): string | undefined {
  if (place === '' || /[\u0000-\u001F\u007F]/.test(place)) return undefined;
  if (place.startsWith('https://')) {
    const url = URL.canParse(place) ? new URL(place) : undefined;
    return url !== undefined && url.username === '' && url.password === '' ? place : undefined;
  }
  // Another scheme, scp's host:path, or what git would take for an option.
  if (/^([a-z][a-z0-9+.-]*|[^/]+@[^/]+):/i.test(place) || place.startsWith('-')) return undefined;
  return isAbsolute(place) ? place : resolve(place);
}

/** A name out of the last part of a path or URL; digits alone get a word before them. */
function nameOf(url: string): RepositoryName | undefined {
  const last = basename(url.replace(/\/+$/, '').replace(/\/?\.git$/, ''));
  const plain = last
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, REPOSITORY_NAME_LIMIT)
    .replaceAll(/^-|-$/g, '');
  return toRepositoryName(/^[0-9]*$/.test(plain) ? `repository-${plain}`.replace(/-$/, '') : plain);
}
