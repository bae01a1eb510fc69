import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { choicePage, messagePage, unknownPage } from '../../../src/front/other-pages.ts';
import {
  cardPage,
  failurePage,
  previewPage,
  waitingPage,
} from '../../../src/front/preview-pages.ts';
import type { Page } from '../../../src/page/layout.ts';
import type { PreviewState } from '../../../src/preview/state.ts';
import { STATES, viewOf } from '../fixtures/fake-control.ts';

const EVIL = `"><script>alert('x')</script><img src=x onerror=alert(1)>&lt;b&gt;\u202E`;
const NOW = Date.parse('2026-11-20T12:00:00Z');

function partsOf(state: PreviewState, text: string, log = text) {
  const view = viewOf(state, {
    author: text,
    subject: text,
    refs: [`branch ${text}`],
    repository: 'shop',
    happened: Array.from({ length: 20 }, () => ({
      what: 'failed',
      code: 'build-failed',
      message: text.slice(0, 200),
      at: 0,
    })),
  });
  return { view, rule: `branch ${text}`, mirroredAt: 0, site: 'pool.dev', log };
}

const FAILED = {
  phase: 'failed',
  since: 0,
  failure: { code: 'build-failed', message: EVIL, next: EVIL, ours: false },
} as const;

const PAGES: [string, (text: string, log?: string) => Page][] = [
  [
    'waiting page',
    (text, log) => waitingPage(partsOf({ ...STATES.building, step: text }, text, log)),
  ],
  ['failure page', (text, log) => failurePage(partsOf(FAILED, text, log))],
  ['page of a preview', (text, log) => previewPage(partsOf(STATES.ready, text, log), NOW)],
  ['card', (text) => cardPage(partsOf(STATES.cold, text).view, 'pool.dev')],
  ['message', (text) => messagePage(text, text, text, 'pool.dev', { status: 502, everyS: 2 })],
  ['404', (text) => unknownPage('main', text, [{ name: text, label: 'main' }], 'pool.dev', 3)],
  ['list', (text) => choicePage('main', [{ name: text, label: 'main' }], 'pool.dev')],
];

const inlines = (body: string, tag: string) =>
  [...body.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))].map(([, text = '']) => text);
const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

describe.each(PAGES)('the %s', (_, make) => {
  it('shows hostile texts as texts', () => {
    const { body } = make(EVIL);
    expect(body).not.toMatch(/<img|<b>|onerror=alert\(1\)>|<script>alert/);
    expect(body).toContain('&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;');
    expect(inlines(body, 'script').length).toBeLessThanOrEqual(1);
  });

  it('has a policy that allows just its own style and script', () => {
    const { body, headers } = make('a');
    const policy = headers['content-security-policy'] ?? '';
    const directive = (name: string) =>
      policy
        .split('; ')
        .find((part) => part.startsWith(`${name} `))
        ?.slice(name.length + 1);
    expect(directive('default-src')).toBe("'none'");
    expect(directive('style-src')).toBe(inlines(body, 'style').map(hash).join(' '));
    const scripts = inlines(body, 'script').map(hash).join(' ');
    expect(directive('script-src') ?? '').toBe(scripts);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("base-uri 'none'");
  });

  it('loads nothing from elsewhere and runs nothing inline', () => {
    const { body } = make('a');
    expect(body).not.toMatch(/\s(src|srcset|action)="(https?:)?\/\//);
    expect(body).not.toMatch(/<[a-z]+[^>]*\s(on[a-z]+|style)=/i);
    expect(body).not.toMatch(/<link[^>]*href="(?!data:,)/);
  });

  it('is never stored, sniffed or indexed', () => {
    expect(make('a').headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex',
      'content-type': 'text/html; charset=utf-8',
    });
  });
});

const bytes = (page: Page) => Buffer.byteLength(page.body);

describe('the waiting page stays below 30 KB', () => {
  it.each([
    ['a short log', 'a', 'one\n'],
    ['a log of megabytes', 'a', 'a line of the log\n'.repeat(100_000)],
    ['a log of one line', 'a', 'x'.repeat(100_000)],
    ['a log of markup', 'a', '<"\'&>\n'.repeat(20_000)],
    ['a log of emoji', 'a', '😀😀😀😀\n'.repeat(20_000)],
    ['the longest subject that history tells, all markup', '<"\'&>'.repeat(40), 'one\n'],
  ])('with %s', (_, text, log) => {
    expect(bytes(waitingPage(partsOf(STATES.building, text, log)))).toBeLessThan(30_000);
  });

  it('with a thousand branches of the commit', () => {
    const parts = partsOf(STATES.building, 'a');
    const refs = Array.from({ length: 1000 }, (_, index) => `branch release-${index}`);
    expect(bytes(waitingPage({ ...parts, view: { ...parts.view, refs } }))).toBeLessThan(30_000);
  });

  it('and shows the end of a long log', () => {
    const log = Array.from({ length: 5000 }, (_, index) => `line ${index}`).join('\n');
    const { body } = waitingPage(partsOf(STATES.building, 'a', log));
    expect(body).toContain('line 4999');
    expect(body).not.toContain('line 0\n');
    expect(body).toContain(`data-next="${log.length}"`);
  });
});

it('a mirror that was not fetched since pool started is not told as one of 1970', () => {
  const { body } = previewPage(partsOf(STATES.ready, 'a'), NOW);
  expect(body).toContain('not fetched since pool started');
});
