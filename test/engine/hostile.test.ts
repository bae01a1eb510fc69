import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { HOSTILE_LINES, NEVER_SHOWN } from '../unit/fixtures/hostile-lines.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, page as pageOf } from './fixtures/applications.ts';
import { launchBrowser } from './fixtures/browser.ts';
import { servePool } from './fixtures/served-pool.ts';
import { askPort, TestPool } from './fixtures/test-pool.ts';

const CHROMIUM = process.env['CHROMIUM'];

const CORPUS = `${HOSTILE_LINES.map(({ line }) => line.toWellFormed()).join('\n')}\n`;
const SHOWN = HOSTILE_LINES.map(({ shown }) => shown);
/** A message and an author as git lets them be. */
const SUBJECT = '</title><script>globalThis.reached = true</script>\u202E\u009B31m &lt;b&gt;';
const AUTHOR = 'Ada" onmouseover="globalThis.reached = true\u2066';

/** Prints the corpus while it is built, and once more when it is started; then it ends. */
const HOSTILE = {
  'corpus.bin': Buffer.from(CORPUS),
  Dockerfile: [
    'FROM busybox:latest',
    'COPY corpus.bin .',
    fresh('cat corpus.bin; sleep 1 # \u202E\u009B31m<b>'),
    'EXPOSE 3000',
    'CMD ["sh", "-c", "cat corpus.bin; exit 4"]',
    '',
  ].join('\n'),
};

async function hostileCommit(repository: GitRepository): Promise<string> {
  await repository.commit(HOSTILE);
  repository.git([
    'commit',
    '--amend',
    '--quiet',
    '--message',
    SUBJECT,
    '--author',
    `${AUTHOR} <a@example.org>`,
  ]);
  return repository.id('HEAD');
}

/** The lines of a log that a builder's steps wrote, as far as it tells them. */
function written(builder: string): string[] {
  const lines = builder === 'classic' ? SHOWN.filter((line) => line !== '') : SHOWN;
  return lines.map((line) => (line === '' ? '' : `  ${line}`));
}

describe.runIf(CHROMIUM !== undefined)('what builds and applications write is text', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(CHROMIUM ?? '');
  });
  afterAll(async () => await browser.close());

  test.each(['buildkit', 'classic'] as const)(
    'on every page, in the text and in the events, with the %s builder',
    async (builder) => {
      using repository = new GitRepository();
      const commit = await hostileCommit(repository);
      await using pool = await TestPool.open([repository.path], { builder });
      const context = await browser.newContext();
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('dialog', (dialog) => complaints.push(dialog.message()));

      await page.goto(pool.url(commit));
      const lines = `\n${written(builder).join('\n')}\n`;
      await page.waitForFunction(
        (wanted) => document.querySelector('pre')?.textContent.includes(wanted),
        lines,
      );
      expect(await harmless(page)).toEqual({ reached: false, images: 0, scripts: 1 });

      await page.getByRole('alert').waitFor();
      expect(await page.getByRole('alert').textContent()).toContain('exited with code 4');
      const end = SHOWN.slice(-30).join('\n');
      expect(await text(page), 'the failure page').toContain(`\n${end}\npool: `);
      expect(await harmless(page)).toEqual({ reached: false, images: 0, scripts: 0 });

      const log = (await pool.visit(commit, { path: '/_pool/log' })).text;
      expect(log).toContain(lines);
      expect(log).toContain(
        `--- the last lines of the application\n${SHOWN.slice(-40).join('\n')}\n`,
      );
      expect(log).not.toMatch(NEVER_SHOWN);

      await page.goto(`${pool.url(commit)}_pool/`);
      expect(await text(page), "the preview's page").toBe(log);
      expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(
        '</title><script>globalThis.reached = true</script> &lt;b&gt;',
      );
      expect(await harmless(page)).toEqual({ reached: false, images: 0, scripts: 1 });
      expect(await events(pool, commit)).toBe(log);
      await page.goto(`http://${pool.site}/`);
      await page.getByText('globalThis.reached').first().waitFor();
      expect(await harmless(page)).toEqual({ reached: false, images: 0, scripts: 1 });
      expect(complaints).toEqual([]);
      await context.close();
    },
  );
});

test.each(['buildkit', 'classic'] as const)(
  'ten megabytes without a newline and a million empty lines cost little memory, and leave pool at its work, with the %s builder',
  async (builder) => {
    using repository = new GitRepository();
    const flood =
      "head -c 10485760 /dev/zero | tr '\\0' x; echo; yes '' | head -n 1000000; echo over";
    const commit = await repository.commit(pageOf('After the flood', [fresh(flood)]));
    await using pool = await TestPool.open([repository.path], { builder });
    const before = heapUsed();
    let most = before;
    let longest = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      most = Math.max(most, process.memoryUsage().heapUsed);
    }, 10);
    const reading = new AbortController();
    const told = await pool.ask(commit, { path: '/_pool/events', signal: reading.signal });
    told.on('error', () => {}).resume();
    expect((await pool.visit(commit)).text).toContain('After the flood');
    clearInterval(watch);
    reading.abort();

    const log = (await pool.visit(commit, { path: '/_pool/log' })).text;
    const lines = log.split('\n');
    const cut = lines.find((line) => line.startsWith('  xxxx')) ?? '';
    expect(cut).toMatch(/x… \(line cut\)$|x … \(line cut\)$/);
    expect(log.length).toBeLessThan(4.2 * 2 ** 20);
    const shown = await pool.visit(commit, { path: '/_pool/', headers: { accept: 'text/html' } });
    expect(shown.text.length).toBeLessThan(40_000);
    const figures = { most: megabytes(most - before), left: megabytes(heapUsed() - before) };
    console.log({
      builder,
      MB: figures,
      'longest ms in one go': Math.round(longest),
      log: log.length,
    });
    expect(figures.left).toBeLessThan(12);
    expect(figures.most).toBeLessThan(200);
  },
);

test('and pool writes nothing to a terminal that it would obey', async () => {
  using repository = new GitRepository();
  const commit = await hostileCommit(repository);
  repository.git(['branch', '--move', 'main', 'ma\u202Ein\u009B31m']);
  await using served = await servePool(repository.path);
  const { pool, port } = served;
  const host = `${commit}.pool.localhost`;
  const answer = await askPort(port, { host, path: '/', method: 'GET', headers: {} });
  answer.resume();
  await until('the failure is logged', () => pool.errors.includes('phase=failed'));
  expect(pool.errors).not.toMatch(NEVER_SHOWN);
  expect(pool.output).toContain('web at branch main');
  expect(pool.output).not.toMatch(NEVER_SHOWN);
});

const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);

/** After a collection of what nobody holds. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

async function text(page: Page): Promise<string> {
  return (await page.locator('pre').textContent()) ?? '';
}

/** What a page has that could do something, and whether something was done. */
async function harmless(page: Page) {
  const found = await page.evaluate(() => ({
    reached: 'reached' in globalThis,
    images: document.querySelectorAll('img').length,
    scripts: document.querySelectorAll('script').length,
    all: document.documentElement.outerHTML,
  }));
  const { all, ...counts } = found;
  expect(all).not.toMatch(NEVER_SHOWN);
  return counts;
}

/** The log as server-sent events tell it, read as a browser does. */
async function events(pool: TestPool, commit: string): Promise<string> {
  const stream = await pool.ask(commit, { path: '/_pool/events' });
  const log = (await pool.visit(commit, { path: '/_pool/log' })).text;
  let seen = '';
  let told = '';
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    seen += chunk;
    const blocks = seen.split(/\r\n\r\n|\n\n|\r\r/).slice(0, -1);
    const logs = blocks.filter((block) => /^event: log$/m.test(block));
    expect(blocks.every((block) => /^(retry|event|:)/.test(block))).toBe(true);
    told = logs
      .map(
        (block) => (JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? '""') as { text: string }).text,
      )
      .join('');
    if (told.length >= log.length) break;
  }
  return told;
}
