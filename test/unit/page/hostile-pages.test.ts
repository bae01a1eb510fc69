import { describe, expect, it } from 'vitest';
import { stripPage } from '../../../src/desk/strip.ts';
import { choicePage, messagePage, unknownPage } from '../../../src/front/other-pages.ts';
import {
  cardPage,
  failurePage,
  previewPage,
  waitingPage,
} from '../../../src/front/preview-pages.ts';
import type { Page } from '../../../src/page/layout.ts';
import { plainLine } from '../../../src/plain-text.ts';
import { History } from '../../../src/mirror/history.ts';
import { parseRefs } from '../../../src/mirror/ref-table.ts';
import { COMMIT, FAILURE, STATES, viewOf } from '../fixtures/fake-control.ts';
import { NEVER_SHOWN } from '../fixtures/hostile-lines.ts';
import { hostileText } from '../fixtures/hostile-text.ts';
import { seeded } from '../fixtures/numbers.ts';
import { NEVER } from '../fixtures/until.ts';

const SEED = 20_261_120;
const ROUNDS = 200;
const NOW = Date.parse('2026-11-20T12:00:00Z');
const SITE = 'pool.dev';

/** The texts that come out of a repository, each on the way that it takes. */
interface Texts {
  subject: string;
  author: string;
  names: string[];
  said: string;
}

/** As git prints a commit and its refs; a record never holds the bytes that part them. */
async function throughGit(texts: Texts): Promise<Texts> {
  const [author = '', subject = ''] = [texts.author, texts.subject].map((text) =>
    text.replaceAll(/[\0\n]/g, ' '),
  );
  const log = [COMMIT, '', author, '0', subject].join('\0');
  const read = async () => await Promise.resolve(log);
  const summary = await new History(NEVER).commit({ read }, COMMIT);
  const rows = texts.names.map((name) =>
    ['refs/heads/' + name.replaceAll(/[\0\n]/g, '-'), COMMIT, 'commit', '', ''].join('\0'),
  );
  const names = parseRefs(rows.join('\n')).map((ref) => ref.name);
  return { author: summary.author, subject: summary.subject, names, said: plainLine(texts.said) };
}

function pagesOf({ subject, author, names, said }: Texts): [string, Page][] {
  const refs = names.map((name) => `branch ${name}`);
  const parts = (state: Parameters<typeof viewOf>[0]) => ({
    view: viewOf(state, { subject, author, refs }),
    rule: refs[0] ?? '',
    mirroredAt: 0,
    site: SITE,
    log: `[1/1] RUN make\n  ${said}\n`,
  });
  const failed = { ...STATES.failed, failure: { ...FAILURE, message: said, next: said } };
  const list = names.map((name) => ({ name, label: COMMIT }));
  const all = names.map(
    (name) =>
      ({ kind: 'branch', name, commit: COMMIT, slug: 'x' }) as ReturnType<typeof parseRefs>[0],
  );
  const commit = { id: COMMIT, parents: [], author, date: 0, subject };
  const strip = {
    site: SITE,
    repository: 'shop',
    repositories: [{ name: 'shop', copied: true }],
    refs: all,
    branch: all[0],
    frames: [{ commit, label: COMMIT, refs: all, state: failed }],
    copied: true,
    failed: true,
    trouble: said,
  };
  return [
    ['waiting', waitingPage(parts({ ...STATES.building, step: said }))],
    ['failure', failurePage(parts(failed))],
    ['preview', previewPage(parts(failed), NOW)],
    ['card', cardPage(parts(STATES.cold).view, SITE)],
    ['message', messagePage(said, said, said, SITE, { status: 502, everyS: 2 })],
    ['unknown', unknownPage('main', said, list, SITE, 3)],
    ['choice', choicePage('main', list, SITE)],
    ['strip', stripPage(strip, NOW)],
  ];
}

/** The tags of a page in order, each with the names of its attributes: what its texts must not change. */
function skeleton({ body }: Page): string {
  const tags = body.replaceAll(/<(style|script)>[^]*?<\/\1>/g, '<$1></$1>').match(/<[^>]*>|[<>]/g);
  return (tags ?? []).map((tag) => tag.replaceAll(/"[^"]*"/g, '""')).join('\n');
}

/** The text of a page as a browser shows it, attributes included. */
function shown(page: Page | undefined): string {
  const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', amp: '&', '#39': "'" };
  return (page?.body ?? '').replaceAll(
    /&(lt|gt|quot|amp|#39);/g,
    (_, name: string) => entities[name] ?? '',
  );
}

describe(`two hundred commits with hostile texts (seed ${SEED})`, () => {
  it('add no element and no attribute to any page, and nothing that is not seen', async () => {
    const harmless = { subject: 'x', author: 'x', names: ['x', 'y', 'z'], said: 'x' };
    const wanted = new Map(pagesOf(harmless).map(([name, page]) => [name, skeleton(page)]));
    expect(wanted.get('strip')).toContain('<h1>');
    const random = seeded(SEED);
    for (let round = 0; round < ROUNDS; round++) {
      const [subject = '', author = '', said = '', ...names] = Array.from(
        { length: 6 },
        () =>
          // Some are long, so that a cut falls anywhere in what follows.
          `x${random() < 0.5 ? '' : '🐛'.repeat(50 + Math.floor(random() * 51))}${hostileText(random)}`,
      );
      const texts = await throughGit({ subject, author, names, said });
      for (const [name, page] of pagesOf(texts)) {
        expect(skeleton(page), `${name}, round ${round}`).toBe(wanted.get(name));
        expect(page.body, `${name}, round ${round}`).not.toMatch(NEVER_SHOWN);
        expect(Buffer.from(page.body).toString(), 'it survives being sent').toBe(page.body);
        expect(page.headers['content-security-policy']).toContain("default-src 'none'");
      }
      const pages = new Map(pagesOf(texts));
      expect(shown(pages.get('preview'))).toContain(texts.subject);
    }
  });
});
