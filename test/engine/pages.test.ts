import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { fresh, page as pageOf } from './fixtures/applications.ts';
import { launchBrowser } from './fixtures/browser.ts';
import { TestPool } from './fixtures/test-pool.ts';

/** Where `SCREENSHOTS` names a folder, what was looked at is kept there. */
const SCREENSHOTS = process.env['SCREENSHOTS'];
const CHROMIUM = process.env['CHROMIUM'];

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** `npm test` says so where there is no browser. */
describe.runIf(CHROMIUM !== undefined)('in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(CHROMIUM ?? '');
  });
  afterAll(async () => await browser.close());

  test('the waiting page shows the log as it grows, and turns into the application by itself', async () => {
    using repository = new GitRepository();
    const steps = [fresh('echo first words && sleep 1'), fresh('echo more words && sleep 1')];
    const commit = await repository.commit(pageOf('Here I am', steps), 'Say something');
    await using pool = await TestPool.open([repository.path]);
    await using tab = await open(browser, DESKTOP);
    await tab.page.goto(pool.url(commit));
    await tab.page.locator('pre', { hasText: /^  first words$/m }).waitFor();
    expect(await tab.page.title()).toContain('Say something');
    expect(await tab.page.locator('[data-words]').textContent()).toContain('Building');
    await keep(tab.page, 'waiting-desktop');
    await tab.page.getByRole('heading', { name: 'Here I am' }).waitFor();
    expect(tab.page.url()).toBe(pool.url(commit));
    await keep(tab.page, 'application');
    expect(tab.complaints).toEqual([]);
  });

  test('the waiting page works on a phone, in the dark', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(
      pageOf('Small', [fresh(`echo ${'a long line '.repeat(30)} && sleep 2`)]),
      'A subject that is rather long for a small screen',
    );
    await using pool = await TestPool.open([repository.path]);
    await using tab = await open(browser, { ...PHONE, colorScheme: 'dark' });
    await tab.page.goto(pool.url(commit));
    await tab.page.getByText('a long line a long line').first().waitFor();
    await keep(tab.page, 'waiting-phone-dark');
    expect(await overflow(tab.page)).toBeLessThanOrEqual(0);
    expect(await seriousFaults(tab.page)).toEqual([]);
    await tab.page.getByRole('heading', { name: 'Small' }).waitFor();
  });

  test('without scripts the waiting page loads anew until it is the application', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(pageOf('No scripts', [fresh('sleep 1')]));
    await using pool = await TestPool.open([repository.path]);
    await using tab = await open(browser, { ...DESKTOP, javaScriptEnabled: false });
    await tab.page.goto(pool.url(commit));
    expect(await tab.page.content()).toContain('loads anew every 2 seconds');
    await tab.page.getByRole('heading', { name: 'No scripts' }).waitFor();
  });

  test('a waiting page whose pool restarts goes on when it is back', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(pageOf('Back', [fresh('sleep 2')]));
    await using tab = await open(browser, DESKTOP);
    let port: number;
    {
      await using first = await TestPool.open([repository.path]);
      port = first.port;
      await tab.page.goto(first.url(commit));
      await tab.page.locator('[data-words]').waitFor();
    }
    await using second = await TestPool.open([repository.path], { listen: `127.0.0.1:${port}` });
    expect(second.port).toBe(port);
    await tab.page.getByRole('heading', { name: 'Back' }).waitFor();
  });

  test('the failure page gives the reason, the end of the log, the parent, and retry', async () => {
    using repository = new GitRepository();
    const parent = await repository.commit(pageOf('Good'), 'A good one');
    const commit = await repository.commit(
      pageOf('Bad', ['RUN echo "<script>alert(1)</script>" && exit 9']),
      'A bad <b>one</b>',
    );
    await using pool = await TestPool.open([repository.path]);
    await using tab = await open(browser, DESKTOP);
    await tab.page.goto(pool.url(commit));
    await tab.page.getByRole('alert').waitFor();
    expect(await tab.page.getByRole('alert').textContent()).toContain('exit code 9');
    expect(await tab.page.getByRole('heading', { level: 1 }).textContent()).toBe(
      'A bad <b>one</b>',
    );
    expect(await tab.page.locator('pre').textContent()).toContain('<script>alert(1)</script>');
    expect(await seriousFaults(tab.page)).toEqual([]);
    await keep(tab.page, 'failure-desktop');
    await tab.page.setViewportSize(PHONE.viewport);
    await keep(tab.page, 'failure-phone');
    expect(await overflow(tab.page)).toBeLessThanOrEqual(0);

    await tab.page.getByRole('button', { name: 'Retry' }).click();
    await tab.page.getByRole('alert').waitFor();
    expect(pool.count('building')).toBe(2);
    await tab.page.getByRole('link', { name: 'Parent commit' }).click();
    await tab.page.getByRole('heading', { name: 'Good' }).waitFor();
    expect(tab.page.url()).toBe(pool.url(parent));
  });

  test('the strip shows commits with their state, and a new commit and its build appear by themselves', async () => {
    using repository = new GitRepository();
    await repository.commit(pageOf('One'), 'The first');
    const second = await repository.commit(pageOf('Two'), 'The second');
    repository.git(['tag', 'v2']);
    repository.git(['branch', 'side/line']);
    await using pool = await TestPool.open([repository.path], { refreshMs: 500 });
    await using tab = await open(browser, DESKTOP);
    await tab.page.goto(`http://${pool.site}/`);
    expect(await tab.page.locator('.strip .subject').allTextContents()).toEqual([
      'The second',
      'The first',
    ]);
    expect(await seriousFaults(tab.page)).toEqual([]);

    const third = await repository.commit(pageOf('Three'), 'The third');
    await tab.page.getByRole('link', { name: 'The third' }).waitFor();
    await pool.visit(third);
    await tab.page.locator(`[data-commit="${third}"] .dot.ready`).waitFor();
    expect(await tab.page.locator(`[data-commit="${third}"] .meta`).textContent()).toMatch(
      /built in .*, \d of \d steps cached/,
    );
    await keep(tab.page, 'strip-desktop');
    await tab.page.setViewportSize(PHONE.viewport);
    await keep(tab.page, 'strip-phone');
    expect(await overflow(tab.page)).toBeLessThanOrEqual(0);
    await tab.page.getByRole('link', { name: 'v2' }).click();
    await tab.page.getByRole('heading', { name: 'Two' }).waitFor();
    expect(pool.count('ready')).toBe(2);
    expect((await pool.state('v2')).commit).toBe(second);
    expect(tab.complaints).toEqual([]);
  });

  test("a preview's page and the page of an unknown name have no serious faults", async () => {
    using repository = new GitRepository();
    await repository.commit(pageOf('One'), 'The first');
    repository.git(['branch', 'feature/one']);
    await using pool = await TestPool.open([repository.path]);
    await pool.visit('main');
    await using tab = await open(browser, PHONE);
    await tab.page.goto(`${pool.url('main')}_pool/`);
    await tab.page.getByText('EXPOSE 3000, the only port').waitFor();
    expect(await seriousFaults(tab.page)).toEqual([]);
    expect(await overflow(tab.page)).toBeLessThanOrEqual(0);
    await keep(tab.page, 'preview-phone');
    await tab.page.goto(pool.url('featur-one'));
    await keep(tab.page, 'unknown-phone');
    expect(await seriousFaults(tab.page)).toEqual([]);
    await tab.page.getByRole('link', { name: 'branch feature/one' }).click();
    await tab.page.getByRole('heading', { name: 'One' }).waitFor();
  });

  test.each([
    ['desktop', DESKTOP],
    ['phone', PHONE],
  ] as const)(
    "a preview's page on a %s says where its image came from, and rebuilds it",
    async (name, options) => {
      using repository = new GitRepository();
      const dockerfile = `FROM busybox:latest\n${fresh('true')}\nARG POOL_COMMIT\nCOPY . /www\nEXPOSE 3000\nCMD busybox httpd -f -p 3000 -h /www\n`;
      const first = await repository.commit(pageOf('One', [fresh('true')]), 'Begin');
      const same = await repository.commit({}, 'Nothing changed');
      await repository.commit({ Dockerfile: dockerfile }, 'Copy all');
      const words = await repository.commit(
        { 'docs/a-guide-for-those-who-begin.md': 'x' },
        'Explain',
      );
      await using pool = await TestPool.open([repository.path]);
      await using tab = await open(browser, options);
      for (const commit of [first, same, words]) await pool.visit(commit);
      for (const [which, commit] of Object.entries({ same, words })) {
        await tab.page.goto(`${pool.url(commit)}_pool/`);
        await keep(tab.page, `preview-${which}-${name}`);
        expect(await seriousFaults(tab.page)).toEqual([]);
        expect(await overflow(tab.page)).toBe(0);
      }
      await tab.page.getByRole('button', { name: 'Rebuild' }).click();
      const reason = tab.page.locator('.reason', { hasText: 'A base image cannot be had' });
      await reason.waitFor({ timeout: 20_000 });
      await tab.page
        .getByText('The rebuild failed, what was there serves on', { exact: true })
        .waitFor();
      await tab.page.getByRole('button', { name: 'Rebuild' }).waitFor();
      expect(await overflow(tab.page)).toBe(0);
      expect(tab.page.url()).toBe(`${pool.url(words)}_pool/`);
      expect(tab.complaints).toEqual([]);
    },
  );
});

/** A tab of its own, and what the browser complained of in it. */
async function open(browser: Browser, options: BrowserContextOptions) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // The browser reports each answer over 399, the waiting page's own 503 among them.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  return { page, complaints, [Symbol.asyncDispose]: async () => await context.close() };
}

/** What axe finds serious or worse, as sentences. */
async function seriousFaults(page: Page): Promise<string[]> {
  // The page's policy forbids foreign scripts, axe among them: it is off for this look only.
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setBypassCSP', { enabled: true });
  await page.evaluate(await readFile(AXE, 'utf8'));
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
      };
    };
    return (await axe.run()).violations;
  });
  await session.detach();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** How many pixels the page is wider than the screen. */
async function overflow(page: Page): Promise<number> {
  return await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
}

async function keep(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
