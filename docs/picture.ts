import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { makeRepository } from '../examples/flip-book/make-repository.ts';
import { parseConfig } from '../src/config/parse-config.ts';
import { connectEngine } from '../src/engine/connect.ts';
import { instanceOf } from '../src/engine/labels.ts';
import { removeInstance } from '../src/engine/remove-instance.ts';
import { openPool } from '../src/main.ts';

/** `npm run picture`: makes docs/waiting.png, the README's picture, from a real first visit. */

const folder = await mkdtemp(join(tmpdir(), 'pool-picture-'));
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
try {
  const book = await makeRepository(join(folder, 'flip-book'));
  // A page that no engine has in its cache yet: the build is to be seen.
  await appendFile(join(book.folder, 'scene/00-mood.svg'), `<!-- ${randomUUID()} -->\n`);
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@flip-book.example'];
  const commit = ['commit', '--quiet', '--no-gpg-sign', '--amend', '--all', '--no-edit'];
  await promisify(execFile)('git', ['-C', book.folder, ...identity, ...commit]);
  const input = { repositories: [book.folder], listen: '127.0.0.1:0', dataDir: folder };
  const parsed = parseConfig(input);
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  await using pool = await openPool(parsed.config, () => {});
  try {
    const [waiting, application] = await firstVisit(browser, pool.urlOf('flip-book', 'main'));
    await compose(browser, waiting, application, join(import.meta.dirname, 'waiting.png'));
  } finally {
    const engine = await connectEngine(undefined, process.env);
    await removeInstance(engine, instanceOf(realpathSync(folder)));
  }
} finally {
  await browser.close();
  await rm(folder, { recursive: true, force: true });
}

/** What a visitor sees in the middle of the build, and when it is over. */
async function firstVisit(chrome: Browser, url: string): Promise<[Buffer, Buffer]> {
  const page = await chrome.newPage({ viewport: { width: 860, height: 620 } });
  await page.goto(url);
  await page.locator('pre', { hasText: 'drew the sky' }).waitFor();
  const waiting = await page.screenshot();
  await page.locator('svg path').first().waitFor();
  await page.waitForTimeout(1500);
  return [waiting, await page.screenshot()];
}

/** Both side by side, as one picture. */
async function compose(chrome: Browser, left: Buffer, right: Buffer, file: string): Promise<void> {
  const page = await chrome.newPage({ viewport: { width: 1400, height: 560 } });
  await page.setContent(`<style>
    body { margin: 0; height: 560px; display: flex; align-items: center; justify-content: center; gap: 24px; background: #e9ecea; font: 40px system-ui; color: #0b6e75; }
    img { width: 640px; border-radius: 10px; box-shadow: 0 6px 30px #0003; }
  </style>${image(left, 'waiting')}<span>→</span>${image(right, 'application')}`);
  await page.screenshot({ path: file });
}

function image(bytes: Buffer, alt: string): string {
  return `<img alt="${alt}" src="data:image/png;base64,${bytes.toString('base64')}">`;
}
