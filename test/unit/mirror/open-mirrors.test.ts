import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { PATIENCE } from '../../../src/mirror/mirror.ts';
import { openMirrors } from '../../../src/mirror/open-mirrors.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import { until } from '../fixtures/until.ts';

const served = (name: string, url: string) => ({
  name: toRepositoryName(name) ?? expect.fail(),
  url,
});

it('a repository that cannot be fetched keeps no other from being served, is told, and is there once it can be', async () => {
  using folder = new TemporaryFolder();
  using good = new GitRepository();
  using late = new GitRepository();
  const commit = await good.commit({ a: '1' });
  const first = await late.commit({ b: '1' });
  await rename(late.path, `${late.path}-away`);
  const all = [served('good', good.path), served('late', late.path)];
  const logged: object[] = [];
  const logger = (event: string, ...fields: object[]) =>
    logged.push(Object.assign({ event }, ...fields));
  const over = new AbortController();
  const patience = { ...PATIENCE, againMs: 20 };
  const mirrors = await openMirrors(all, folder.path, logger, over.signal, patience);
  const [one, other] = [...mirrors.values()];
  expect(one?.table.find('main')).toMatchObject({ commit });
  expect(other).toMatchObject({ copied: false, lasting: true });
  await until('it was tried anew', () => (other?.fetches ?? 0) > 2, 10_000);
  await rename(`${late.path}-away`, late.path);
  await until('it is there', () => other?.copied === true, 10_000);
  expect(other?.table.find('main')).toMatchObject({ commit: first });
  await until('that is told', () => logged.length > 1);
  over.abort();
  const problem = expect.stringContaining('does not appear to be a git repository') as string;
  expect(logged, 'each is told once').toEqual([
    { event: 'fetch-failed', repository: 'late', problem },
    { event: 'fetched', repository: 'late' },
  ]);
});

it('pool does not start where all repositories are sure to stay unread, and starts where one may come back', async () => {
  using folder = new TemporaryFolder();
  const over = new AbortController();
  const open = async (...urls: string[]) => {
    const all = urls.map((url, index) => served(`repository-${index}`, url));
    return await openMirrors(all, folder.path, () => {}, over.signal);
  };
  const [wrong, typo] = [join(folder.path, 'wrong'), join(folder.path, 'typo')];
  await expect(open(wrong, typo)).rejects.toMatchObject({
    code: 'repository-unreadable',
    message: expect.stringMatching(`${wrong} cannot be read: .*${typo} cannot be read: `),
    next: expect.stringContaining('pool doctor'),
  });
  const mirrors = await open(wrong, 'https://127.0.0.1:1/down');
  over.abort();
  expect([...mirrors.values()].map(({ lasting }) => lasting)).toEqual([true, false]);
});
