import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { parseConfig } from '../../src/config/parse-config.ts';
import { connectEngine } from '../../src/engine/connect.ts';
import { instanceOf } from '../../src/engine/labels.ts';
import { removeInstance } from '../../src/engine/remove-instance.ts';
import { logfmt, type Logger } from '../../src/logger.ts';
import { openPool, type Pool } from '../../src/main.ts';
import { checkFlipBook } from './check.ts';
import { type FlipBook, makeRepository, readRepository } from './make-repository.ts';

const HELP = `npm run demo: serves a flip-book, a small application that looks different at each commit.

  npm run demo                 serve until Ctrl+C
  npm run demo -- --check      visit every page of it, print what was seen, exit with 0 or 1
  npm run demo -- --remove     remove the demo's containers, images and folder
  npm run demo -- --port 9000  listen there; default: 8080, or the next port that is free
`;

const begun = performance.now();
const root = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    port: { type: 'string' },
    remove: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(HELP);
} else if (values.remove) {
  await remove(join(root, '.demo'));
} else {
  // A check begins from nothing and leaves nothing; the demo itself can be gone on with.
  const folder = values.check ? await mkdtemp(join(tmpdir(), 'pool-demo-')) : join(root, '.demo');
  try {
    process.exitCode = await demo(folder, values.check);
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    if (values.check) await rm(folder, { recursive: true, force: true });
  }
}

async function demo(folder: string, check: boolean): Promise<number> {
  const engine = await script('docker/engine.sh');
  process.env['DOCKER_HOST'] = engine.replace(/^DOCKER_HOST=/, '');
  await script('docker/base-images.sh', 'busybox:latest');

  const repository = join(folder, 'flip-book');
  const book = existsSync(repository)
    ? await readRepository(repository)
    : await makeRepository(repository);
  const port = values.port ?? (await freePort(8080));
  const dataDir = join(folder, 'data');
  const parsed = parseConfig({
    repositories: [repository],
    listen: `127.0.0.1:${port}`,
    dataDir,
  });
  if ('problems' in parsed) {
    throw new Error(parsed.problems.map(({ key, message }) => `${key}: ${message}`).join('\n'));
  }
  const logger: Logger = check ? () => {} : logfmt((line) => process.stderr.write(line));
  const stopped = untilSignal();
  await using pool = await openPool(parsed.config, logger);
  process.stdout.write(greeting(pool, book, port));
  if (!check) {
    await stopped;
    process.stdout.write(
      '\nThe previews go on running. "npm run demo" finds them again, "npm run demo -- --remove" removes them.\n',
    );
    return 0;
  }
  try {
    return await checkFlipBook(pool, book, begun);
  } finally {
    await removeInstance(await connectEngine(undefined, process.env), instanceOf(dataDir));
  }
}

/** Takes away everything that the demo made. */
async function remove(folder: string): Promise<void> {
  process.env['DOCKER_HOST'] = (await script('docker/engine.sh')).replace(/^DOCKER_HOST=/, '');
  await removeInstance(
    await connectEngine(undefined, process.env),
    instanceOf(join(folder, 'data')),
  );
  await rm(folder, { recursive: true, force: true });
  process.stdout.write('The demo is gone.\n');
}

/** What to open, and what one sees there. */
function greeting(pool: Pool, book: FlipBook, port: number | string): string {
  const link = (ref: string) => pool.urlOf('flip-book', ref);
  const links: [url: string, what: string][] = [
    [`http://${pool.site}/`, 'the strip: every commit, with a live dot'],
    [link(book.newest), 'the newest commit; watch it being built'],
    [link(book.tag.name.replaceAll('.', '-')), `the tag ${book.tag.name}: the picture by day`],
    [link('feature-snow'), 'the branch feature/snow'],
    [link(book.failing), 'a commit whose build fails, and why'],
  ];
  const lines = links.map(([url, what]) => `  ${url}\n      ${what}`);
  const here = relative(process.cwd(), book.folder);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  return `
The flip-book is open (after ${seconds} s):

${lines.join('\n')}

Try a commit of your own; within ten seconds it is on the strip, by itself:

  sed -i 's/--sky-top: [^;]*/--sky-top: #7a1f5c/' ${here}/scene/*.svg
  git -C ${here} -c user.name=You -c user.email=you@example.com commit -qam "Paint the sky"
${remoteHint(port)}
Ctrl+C ends the demo.

`;
}

/** On a machine without a browser the links need a way to it. */
function remoteHint(port: number | string): string {
  const { DISPLAY, WAYLAND_DISPLAY, SSH_CONNECTION } = process.env;
  const atHand = DISPLAY !== undefined || WAYLAND_DISPLAY !== undefined;
  if (process.platform !== 'linux' || (atHand && SSH_CONNECTION === undefined)) return '';
  return `
No browser here? From a machine that has one, then open the same links there:

  ssh -L ${port}:127.0.0.1:${port} <this machine>
`;
}

/** Runs a script of the repository; its progress goes to the terminal, its last line is returned. */
async function script(name: string, ...args: string[]): Promise<string> {
  const run = promisify(execFile)(join(root, name), args, { cwd: root });
  run.child.stderr?.pipe(process.stderr);
  try {
    return (await run).stdout.trim();
  } catch {
    throw new Error(`${name} could not do its part; it said why above`);
  }
}

async function freePort(first: number): Promise<number> {
  for (let port = first; port < first + 100; port++) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    if (await promise) return port;
  }
  throw new Error(`no port from ${first} on is free; name one with --port`);
}

async function untilSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve());
  await promise;
}
