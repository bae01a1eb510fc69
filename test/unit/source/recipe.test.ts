import { expect, it } from 'vitest';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import type { CommitSettings } from '../../../src/source/commit-settings.ts';
import { recipeOf } from '../../../src/source/recipe.ts';
import { GitRepository } from '../fixtures/git-repository.ts';
import { planAlone } from '../fixtures/plan-alone.ts';
import { NEVER } from '../fixtures/until.ts';

const BY = { repository: 'web', platform: 'linux/amd64', builder: 'buildkit' };
const BASE = {
  Dockerfile: 'FROM busybox AS one\nCOPY . .\nFROM one AS two\n',
  '.dockerignore': 'notes\n*.log\ndocs/*.tmp\n',
  'docs/a.txt': 'a',
  index: 'x',
};

/** The digests of commits that add one change each to the same files. */
async function digests(
  changes: readonly Parameters<GitRepository['commit']>[0][],
  settings: CommitSettings = {},
): Promise<string[]> {
  using repository = new GitRepository();
  const all: string[] = [];
  for (const change of changes) {
    const commit = await repository.commit({
      ...BASE,
      notes: undefined,
      extra: undefined,
      ...change,
    });
    all.push(await digestOf(repository, commit, settings));
  }
  return all;
}

async function digestOf(
  repository: GitRepository,
  commit: CommitId,
  settings: CommitSettings = {},
  by: Partial<typeof BY> = {},
): Promise<string> {
  const plan = await planAlone(repository.gitDir, commit, settings, NEVER);
  return recipeOf(plan, { ...BY, ...by }).digest;
}

it('a revert, an empty commit and a change of what is left out have the recipe of before', async () => {
  const all = await digests([
    {},
    { index: 'y' },
    { index: 'x' },
    {},
    { 'notes/a': 'n' },
    { 'docs/b.tmp': 'deep in a folder that stays' },
    { '.pool.yml': 'port: 80\nenv: {A: b}\n' },
  ]);
  const [first, changed] = all;
  expect(changed).not.toBe(first);
  expect(all).toEqual([first, changed, first, first, first, first, first]);
});

it('content, name, mode and kind of every file in the context are part of it', async () => {
  const all = await digests([
    {},
    { index: 'y' },
    { index: { run: 'x' } },
    { index: { link: 'x' } },
    { index: undefined, extra: 'x' },
    { extra: '' },
    { Dockerfile: 'FROM busybox AS two\n' },
    { '.dockerignore': 'notes\n' },
  ]);
  expect(new Set(all).size).toBe(all.length);
});

it('so are Dockerfile, target, arguments, repository, platform and builder', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({ ...BASE, other: BASE.Dockerfile });
  const settings: CommitSettings[] = [
    {},
    { dockerfile: 'other' },
    { target: 'one' },
    { args: { A: 'b' } },
    { args: { A: 'c' } },
    { args: { A: 'b', B: 'c' } },
  ];
  const all = await Promise.all([
    ...settings.map(async (one) => await digestOf(repository, commit, one)),
    ...Object.keys(BY).map(async (key) => await digestOf(repository, commit, {}, { [key]: 'x' })),
  ]);
  expect(new Set(all).size).toBe(all.length);
  const turned = await digestOf(repository, commit, { args: { B: 'c', A: 'b' } });
  expect(turned, 'in whatever order').toBe(all[5]);
  const started = { port: [], env: { A: 'b' }, health: '/up', protocol: 'h2c' } as const;
  expect(await digestOf(repository, commit, { ...started, port: [] })).toBe(all[0]);
});

it('the commit is part of it where the Dockerfile asks for it', async () => {
  const asking = { Dockerfile: 'FROM busybox\nARG POOL_COMMIT\n' };
  const [one, two] = await digests([asking, asking]);
  expect(one).not.toBe(two);
});
