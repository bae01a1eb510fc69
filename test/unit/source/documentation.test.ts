import { describe, expect, it } from 'vitest';
import type { CommitSettings } from '../../../src/source/commit-settings.ts';
import { documentationChange } from '../../../src/source/documentation.ts';
import { GitRepository } from '../fixtures/git-repository.ts';
import { planAlone } from '../fixtures/plan-alone.ts';
import { NEVER } from '../fixtures/until.ts';

type Files = Parameters<GitRepository['commit']>[0];

const BASE: Files = {
  Dockerfile: 'FROM busybox\n',
  '.dockerignore': 'notes\n',
  'web/Dockerfile': 'FROM busybox\n',
  'docs/old.md': 'x',
  index: 'x',
};

const NO_GIT = '/nowhere';

/** What is advised of a commit that changes these files. */
async function advise(changed: Files, settings: CommitSettings = {}, more: Files = {}) {
  using repository = new GitRepository();
  const parent = await repository.commit({ ...BASE, ...more });
  const commit = await repository.commit(changed);
  const plan = await planAlone(repository.gitDir, commit, settings, NEVER);
  return await documentationChange(repository.gitDir, [parent], commit, plan, NEVER);
}

describe('a build for documentation alone', () => {
  it.each([
    [{ 'README.md': 'y' }, ['README.md'], ['README.md']],
    [
      { 'docs/new.md': 'y', 'docs/a/picture.png': 'y' },
      ['docs/a/picture.png', 'docs/new.md'],
      ['docs'],
    ],
    [{ 'docs/old.md': undefined }, ['docs/old.md'], ['docs']],
    [{ 'web/doc/a': 'y', LICENSE: 'y' }, ['LICENSE', 'web/doc/a'], ['LICENSE', 'web/doc']],
    [{ 'CHANGES.txt': 'y', 'notes/code.js': 'left out' }, ['CHANGES.txt'], ['CHANGES.txt']],
    [{ '.github/security.md': 'y' }, ['.github/security.md'], ['.github/security.md']],
  ] as [Files, string[], string[]][])(
    '%j names %j and the lines %j',
    async (changed, files, lines) => {
      expect(await advise(changed)).toEqual({ files, lines });
    },
  );

  it('of a context in a folder has lines from there', async () => {
    const advice = await advise({ 'web/README.md': 'y', 'other.js': 'y' }, { context: 'web' });
    expect(advice).toEqual({ files: ['web/README.md'], lines: ['README.md'] });
  });

  it('of many files names some of them', async () => {
    const many = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`docs/${at}`, 'y']));
    const advice = await advise(many);
    expect(advice?.files).toEqual(['docs/0', 'docs/1', 'docs/2', 'docs/3', 'docs/4', 'and 3 more']);
  });
});

describe('nothing is advised', () => {
  it.each([
    ['where code changed too', { 'README.md': 'y', index: 'y' }],
    ['where code went', { 'README.md': 'y', index: undefined }],
    ['of robots.txt', { 'robots.txt': 'y' }],
    ['of requirements.txt', { 'requirements.txt': 'y' }],
    ['of the Dockerfile', { Dockerfile: 'FROM busybox\nCMD x\n' }],
    ['of .dockerignore', { '.dockerignore': 'notes\nx\n' }],
    ['of .pool.yml', { '.pool.yml': 'target: x\n' }],
    ['where all of it is left out', { 'notes/README.md': 'y' }],
    ['where nothing changed', {}],
    ['where the line would be a pattern', { '[a]*.md': 'y' }],
    [
      'where there would be too many lines',
      Object.fromEntries(Array.from('abcdef', (name) => [`${name}.md`, 'y'])),
    ],
  ] as [string, Files][])('%s', async (_, changed) => {
    expect(await advise(changed)).toBeUndefined();
  });

  it('where the Dockerfile asks for the commit', async () => {
    const asking = { 'web/Dockerfile': 'FROM busybox\nARG POOL_COMMIT\n' };
    const settings = { dockerfile: 'web/Dockerfile' };
    expect(await advise({ 'README.md': 'y' }, settings, asking)).toBeUndefined();
  });

  it('of an ignore file that lies outside of the context', async () => {
    const settings = { context: 'web', dockerfile: 'Dockerfile' };
    const changed = { 'Dockerfile.dockerignore': 'x\n', 'web/README.md': 'y' };
    expect(await advise(changed, settings)).toBeUndefined();
  });

  it('of a first commit', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(BASE);
    const plan = await planAlone(repository.gitDir, commit, {}, NEVER);
    expect(await documentationChange(NO_GIT, [], commit, plan, NEVER)).toBeUndefined();
  });
});
