import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import { standingIn } from '../config/parse-config.ts';
import { environmentProblems } from '../config/environment.ts';
import { PreviewError } from '../errors.ts';
import { logfmt, type Logger } from '../logger.ts';
import type { Pool } from '../main.ts';
import { troubleWith } from '../mirror/mirror.ts';
import { checkPrograms } from './check-programs.ts';
import { type Asked, type Command, configOf, EXIT, UsageError } from './command.ts';

/** `pool serve`: the one command that is the pool; all others talk to it. */
export const serve: Command = {
  name: 'serve',
  about: 'serves the repository you stand in, or those you name',
  flags: [
    {
      name: 'repository',
      value: '<repository>',
      repeatable: true,
      help: 'path, https or ssh URL of a Git repository, or name=<…>;\nrepeatable; default: the repository you stand in',
    },
    {
      name: 'domain',
      value: '<domain>',
      repeatable: true,
      help: 'previews are at <address>.<domain>; repeatable, the first\none is used in links; default: pool.localhost, pool.dev',
    },
    { name: 'listen', value: '<host:port>', help: 'where visitors come; default: 127.0.0.1:8080' },
    {
      name: 'data-dir',
      value: '<folder>',
      help: 'mirrors, logs and sockets;\ndefault: pool in $XDG_DATA_HOME or ~/.local/share',
    },
    {
      name: 'engine',
      value: '<address>',
      help: 'unix:///path/docker.sock or tcp://<host>:2375; default:\n$DOCKER_HOST, else the first usual socket that answers',
    },
    {
      name: 'config',
      value: '<file>',
      help: 'default: pool.config.ts (.mts, .js, .mjs) where you stand;\nflags win over it',
    },
    { name: 'help', short: 'h', help: 'this text' },
  ],
  more: `Examples
  pool serve
  pool serve --repository ../shop --repository docs=https://git.example.com/docs.git
  pool serve --listen 0.0.0.0:80 --domain pool.example.com

SIGTERM and SIGINT let answers under way finish (10 s) and leave previews running:
the next "pool serve" finds them again. docs/configuration.md lists what the file may say.`,
  run,
};

/** Signals that end pool, with the exit code where it could not end in order. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Runs pool until a signal ends it. Returns the exit code. */
async function run({ values }: Asked): Promise<number> {
  const config = await configOf(values, { repositories: repositoryAround(standingIn()) });
  const problems = await environmentProblems(config.repositories);
  if (problems.length > 0) throw new UsageError(problems);

  const logger = logfmt((line) => process.stderr.write(line));
  const ended = untilSignal();
  void warnOfPrograms(config, logger);
  // All other commands start without what only this one needs.
  const { openPool } = await import('../main.ts');
  try {
    const opening = openPool(config, logger);
    const early = await Promise.race([ended, opening]);
    if (typeof early === 'string') process.exit(SIGNALS[early]);
    await using pool = early;
    process.stdout.write(greeting(pool));
    const signal = await ended;
    process.stderr.write(
      `pool: ${signal}; answers under way are finished, previews go on running\n`,
    );
  } catch (error) {
    process.stderr.write(`pool: ${explain(error, config)}\n`);
    process.exit(EXIT.failed);
  }
  return EXIT.ok;
}

/** Who starts a service seldom asks the doctor: its words on git and the like go into the log. */
async function warnOfPrograms(config: Config, logger: Logger): Promise<void> {
  for (const { state, about, words, next } of await checkPrograms(config)) {
    if (state !== 'ok') logger('doctor', { about, words, next });
  }
}

/** The links one wants first. */
function greeting(pool: Pool): string {
  const lines = [`Pool ${pool.engine.version ? `on Docker ${pool.engine.version}` : ''}`, ''];
  lines.push(`  ${pool.home}`, '      all commits');
  for (const [name, mirror] of pool.mirrors) {
    const branch = mirror.table.refs.find(
      (ref) => ref.kind === 'branch' && ref.name === mirror.defaultBranch,
    );
    const none = mirror.copied && `${name} has no commit on its default branch yet.`;
    const later = branch === undefined && [none, 'Its links appear on the page above.'];
    const told = [troubleWith(name, mirror), ...(later || [])].filter((words) => words);
    if (told.length > 0) lines.push('', `  ${told.join(' ')}`);
    if (branch === undefined) continue;
    lines.push(
      `  ${pool.urlOf(name, branch.commit)}`,
      `      ${name} at HEAD, for ever this commit`,
    );
    lines.push(
      `  ${pool.urlOf(name, branch.slug)}`,
      `      ${name} at branch ${branch.name}, wherever it moves`,
    );
  }
  return `${lines.join('\n')}\n\n`;
}

/** The repository that a folder lies in, where it lies in one. */
export function repositoryAround(folder: string): string[] {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return [at];
    if (at === dirname(at)) return [];
  }
}

/** What the data folder answers that is no folder, is another user's, is full or knows no locks. */
const UNUSABLE = new Set('EACCES EEXIST ENOSPC ENOTDIR EPERM EROFS ERR_SQLITE_ERROR'.split(' '));

function explain(error: unknown, { dataDir }: Config): string {
  if (error instanceof PreviewError) return `${error.message}\n${error.next}`;
  const { code, port, address } = error as NodeJS.ErrnoException & {
    port?: number;
    address?: string;
  };
  if (code === 'EADDRINUSE') {
    return `${address}:${port} is taken by another program.\nEnd that one, or choose another port with --listen.`;
  }
  if (code === 'EACCES' && port !== undefined) {
    return `this user may not listen on port ${port}.\nChoose one above 1023 with --listen.`;
  }
  if (code === 'EADDRNOTAVAIL') {
    return `${address} is no address of this machine.\nChoose another with --listen; 0.0.0.0 stands for all of them.`;
  }
  if (code !== undefined && UNUSABLE.has(code)) {
    const words = error instanceof Error ? error.message : code;
    return `the data folder ${dataDir} cannot be used (${words}).\nChoose another with --data-dir, or make room.`;
  }
  return error instanceof Error ? error.message : String(error);
}

type Signal = keyof typeof SIGNALS;

/** Resolves at the first signal; a second one, of either kind, ends the process at once. */
async function untilSignal(): Promise<Signal> {
  const { promise, resolve } = Promise.withResolvers<Signal>();
  let signals = 0;
  for (const signal of Object.keys(SIGNALS) as Signal[]) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(SIGNALS[signal]);
      resolve(signal);
    });
  }
  return await promise;
}
