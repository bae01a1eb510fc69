import { execFile } from 'node:child_process';
import { type IncomingMessage, request } from 'node:http';
import { promisify } from 'node:util';
import type { Pool } from '../../src/main.ts';
import type { FlipBook } from './make-repository.ts';

interface Seen {
  status: number;
  commit: string | undefined;
  text: string;
  ms: number;
}

/** More than any page of the flip-book takes. */
const PATIENCE_MS = 60_000;

/**
 * Visits everything that the demo promises, as a browser and as a script would, and prints what
 * it saw, a line a promise. Resolves to the exit code.
 */
export async function checkFlipBook(pool: Pool, book: FlipBook, begun: number): Promise<number> {
  const url = (ref: string) => pool.urlOf('flip-book', ref);
  const page = (subject: string) => book.pages.find((one) => one.subject === subject)?.commit ?? '';
  let failures = 0;
  const check = async (promise: string, look: () => Promise<string | undefined>) => {
    const from = performance.now();
    const wrong = await look().catch((error: unknown) => String(error));
    const seconds = ((performance.now() - from) / 1000).toFixed(1);
    process.stdout.write(
      `${wrong === undefined ? 'ok  ' : 'FAIL'} ${seconds.padStart(5)} s  ${promise}\n`,
    );
    if (wrong === undefined) return;
    failures += 1;
    process.stdout.write(`               ${wrong}\n`);
  };

  await check('the newest commit shows a waiting page at once, and then itself', async () => {
    const first = await visit(url(book.newest), true);
    if (first.status !== 503 || !first.text.includes('EventSource'))
      return `first came ${first.status}`;
    return differs(await visit(url(book.newest), false), 200, book.newest, 'Wake the wind');
  });
  process.stdout.write(
    `           ${((performance.now() - begun) / 1000).toFixed(1)} s after the start the first preview answered\n`,
  );

  await check('the second visit is instant', async () => {
    const again = await visit(url(book.newest), true);
    return again.status === 200 && again.ms < 200
      ? undefined
      : `${again.status} after ${again.ms} ms`;
  });
  await check('every commit of main shows its own page', async () => {
    const good = book.pages.filter(({ commit }) => commit !== book.failing);
    const seen: Seen[] = [];
    for (const { commit } of good) seen.push(await visit(url(commit), false));
    const wrong = good.flatMap((one, index) => {
      const answer = seen[index];
      const problem = answer === undefined ? 'no answer' : differs(answer, 200, one.commit, '<svg');
      return problem === undefined ? [] : [`${one.subject}: ${problem}`];
    });
    const different = new Set(seen.map(({ text }) => text)).size;
    // The commit that only touches notes looks like the one before it.
    if (different !== good.length - 1) wrong.push(`${different} different pages of ${good.length}`);
    return wrong.length === 0 ? undefined : wrong.join('; ');
  });
  await check(`the tag ${book.tag.name}, spelled with hyphens`, async () =>
    differs(await visit(url('v1-0'), false), 200, book.tag.commit, 'flowers'),
  );
  await check('the branch feature/snow, spelled with a hyphen', async () =>
    differs(await visit(url('feature-snow'), false), 200, book.branches[0]?.commit, 'snow'),
  );
  await check('an abbreviated id', async () =>
    differs(
      await visit(url(page('Raise a hill').slice(0, 8)), false),
      200,
      page('Raise a hill'),
      'hill',
    ),
  );
  await check('a commit that changes only ignored files builds nothing', async () => {
    const { text } = await visit(`${url(page('Write down the colours'))}_pool/`, false);
    const { build } = (JSON.parse(text) as { state: { build: { reused: boolean } } }).state;
    return build.reused ? undefined : 'it was built';
  });
  await check(
    'the failing commit says which step failed, and shows the end of the log',
    async () => {
      await visit(url(book.failing), false);
      const failed = await visit(url(book.failing), true);
      return differs(failed, 502, book.failing, 'ended with exit code 1', 'A group left open');
    },
  );
  await check('an unknown name is a 404 with names that are near', async () =>
    differs(await visit(url('feature-snaw'), true), 404, undefined, 'feature/snow'),
  );
  await check('the strip lists the commits', async () =>
    differs(await visit(`http://${pool.site}/`, true), 200, undefined, 'Raise a hill', 'v1.0'),
  );
  await check('a new commit appears on the strip by itself', async () => {
    const strip = watch(
      `http://${pool.site}/events?repository=flip-book&branch=main`,
      'Hello, pool',
    );
    const identity = ['-c', 'user.name=You', '-c', 'user.email=you@example.com'];
    const commit = ['commit', '--quiet', '--allow-empty', '--no-gpg-sign', '--message=Hello, pool'];
    await promisify(execFile)('git', ['-C', book.folder, ...identity, ...commit]);
    return await strip;
  });
  process.stdout.write(
    failures === 0 ? '\nEverything is as promised.\n' : `\n${failures} promises are broken.\n`,
  );
  return failures === 0 ? 0 : 1;
}

function differs(
  seen: Seen,
  status: number,
  commit: string | undefined,
  ...words: string[]
): string | undefined {
  if (seen.status !== status)
    return `expected ${status}, came ${seen.status}: ${seen.text.slice(0, 200)}`;
  if (seen.commit !== commit) return `expected commit ${commit}, came ${seen.commit}`;
  const missing = words.find((word) => !seen.text.toLowerCase().includes(word.toLowerCase()));
  return missing === undefined ? undefined : `"${missing}" is not on the page`;
}

/** One GET, as a browser that navigates or as a script; `*.localhost` is dialled without DNS. */
async function visit(target: string, navigation: boolean): Promise<Seen> {
  const from = performance.now();
  const { response, text } = await get(target, navigation ? 'text/html' : 'application/json');
  const commit = response.headers['x-pool-commit'];
  return {
    status: response.statusCode ?? 0,
    commit: typeof commit === 'string' ? commit : undefined,
    text: await text,
    ms: Math.round(performance.now() - from),
  };
}

/** Reads server-sent events until a text is among them. */
async function watch(target: string, text: string): Promise<string | undefined> {
  const { response } = await get(target, 'text/event-stream');
  let seen = '';
  for await (const chunk of response) {
    seen += String(chunk);
    if (seen.includes(text)) return undefined;
  }
  return 'the stream of events ended without it';
}

async function get(target: string, accept: string) {
  const { host, port, pathname, search } = new URL(target);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const ask = request({
    host: '127.0.0.1',
    port: Number(port || 80),
    path: pathname + search,
    headers: { host, accept },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  ask.once('response', resolve).once('error', reject).end();
  const response = await promise;
  return {
    response,
    get text(): Promise<string> {
      return response
        .setEncoding('utf8')
        .toArray()
        .then((parts) => parts.join(''));
    },
  };
}
