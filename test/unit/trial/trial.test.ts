import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commitsOf, spread } from '../../trial/commits.ts';
import { readList, settingsOf } from '../../trial/list.ts';
import { table, withTable } from '../../trial/table.ts';
import type { Outcome } from '../../trial/visit.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';

const LIST = join(import.meta.dirname, '../../trial/list.yml');
const ENTRY = { name: 'shop', url: 'https://example.org/ada/shop', habits: 'Node', commits: 2 };

describe('which commits are tried', () => {
  test.each([
    [[0, 1, 2, 3, 4, 5, 6, 7, 8], 5, [0, 2, 4, 6, 8]],
    [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4, [0, 3, 6, 9]],
    [[0, 1, 2, 3, 4, 5, 6], 5, [0, 2, 3, 5, 6]],
    [[0, 1, 2], 5, [0, 1, 2]],
    [[0, 1, 2], 1, [2]],
    [[], 5, []],
  ])('%j, %d of them: the first, the last, and evenly between', (all, count, some) => {
    expect(spread(all, count)).toEqual(some);
  });

  test('any number of commits gives as many as were asked for', () => {
    for (let length = 5; length < 400; length += 1) {
      expect(spread(Array.from({ length }), 5), `of ${length}`).toHaveLength(5);
    }
  });

  test('only those of the default branch that have the Dockerfile, whatever was merged', async () => {
    using repository = new GitRepository();
    await repository.commit({ 'a.txt': 'no Dockerfile yet' });
    const first = await repository.commit({ 'web/Dockerfile': 'FROM scratch\n' });
    repository.git(['switch', '--quiet', '--create', 'side']);
    await repository.commit({ 'b.txt': 'aside' });
    repository.git(['switch', '--quiet', 'main']);
    repository.git(['merge', '--quiet', '--no-ff', '--message', 'Merge', 'side']);
    const merge = repository.id('HEAD');
    await repository.commit({ 'web/Dockerfile': undefined });
    const entry = { ...ENTRY, context: 'web', commits: 5 };
    expect(commitsOf(entry, repository.gitDir)).toEqual([first, merge]);
    expect(commitsOf({ ...ENTRY, commits: [merge] }, repository.gitDir)).toEqual([merge]);
  });
});

describe('the list', () => {
  test('what comes with pool has public addresses only', () => {
    const entries = readList(LIST);
    expect(entries.length).toBeGreaterThanOrEqual(8);
    for (const { url } of entries) expect(url).toMatch(/^https:\/\/github\.com\/[^/]+\/[^/]+$/);
  });

  test('what is not of the trial is handed to pool; a folder of mirrors stands for https', () => {
    const entry = { ...ENTRY, context: 'web', env: { A: '1' } };
    const settings = { name: 'shop', url: ENTRY.url, context: 'web', env: { A: '1' } };
    expect(settingsOf(entry)).toEqual(settings);
    expect(settingsOf(entry, '/mirrors').url).toBe('/mirrors/ada/shop.git');
    expect(settingsOf({ ...entry, url: '/a/b' }, '/mirrors').url).toBe('/a/b');
  });

  test('an entry without commits is refused', () => {
    using folder = new TemporaryFolder();
    const file = join(folder.path, 'list.json');
    writeFileSync(file, JSON.stringify([{ name: 'shop', url: '/shop' }]));
    expect(() => readList(file)).toThrow('commits');
  });
});

test('the table has a row for each commit, and what was said cannot end a cell', () => {
  const build = { reused: false, builder: 'buildkit', ms: 12_345, steps: 3, cached: 0 } as const;
  const date = Date.parse('2026-01-02');
  const endpoint = { portRule: 'EXPOSE 80, the only port' };
  const failure = { message: 'The step "a | b" ended.', next: 'Mend it.' };
  const outcomes: Outcome[] = [
    {
      commit: 'a'.repeat(40),
      view: { date, state: { phase: 'ready', build, startMs: 250, endpoint } },
      status: 200,
      visitMs: 12_700,
      againMs: 2.1,
    },
    {
      commit: 'b'.repeat(40),
      view: { date, state: { phase: 'failed', failure } },
      status: 502,
      visitMs: 900,
    },
  ];
  const rows = table([
    { entry: ENTRY, outcomes },
    { entry: { ...ENTRY, habits: '' }, outcomes: [], problem: 'Error: not there' },
  ]).split('\n');
  expect(rows.slice(2)).toEqual([
    '| **[shop](https://example.org/ada/shop)** |  |  |  |  |  |  |  | Node |',
    '| `aaaaaaaaaa` 2026-01-02 | yes | yes, 200 | EXPOSE 80, the only port | 12 s | 0.3 s | 13 s | 3 ms |  |',
    '| `bbbbbbbbbb` 2026-01-02 | no | no |  |  |  | 0.9 s |  | The step "a \\| b" ended. Mend it. |',
    '| **[shop](https://example.org/ada/shop)** |  |  |  |  |  |  |  | Error: not there |',
    '',
    '2 commits of 2 repositories: 1 ready, 1 failed.',
    '',
  ]);
});

test('a document keeps what people wrote around the table', () => {
  const first = withTable('# Trial\n\n', 'one');
  expect(first).toMatch(/^# Trial\n\n<!--.*-->\n\none\n<!--.*-->\n$/);
  const second = withTable(`${first}\nThe end.\n`, 'two');
  expect(second).toBe(`${first.replace('one', 'two')}\nThe end.\n`);
});
