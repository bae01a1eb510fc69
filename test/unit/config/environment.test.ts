import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse-config.ts';
import {
  environmentOf,
  environmentProblems,
  isFor,
  variableNames,
} from '../../../src/config/environment.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

function repositoryWith(settings: object) {
  const parsed = parseConfig({ repositories: [{ url: '/srv/shop', ...settings }] });
  const [repository] = 'config' in parsed ? parsed.config.repositories : [];
  if (repository === undefined) throw new Error(JSON.stringify(parsed));
  return repository;
}

const branch = (name: string) => ({ kind: 'branch', name }) as const;
const tag = (name: string) => ({ kind: 'tag', name }) as const;

describe('a pattern', () => {
  it.each([
    ['main', branch('main'), true],
    ['main', branch('main2'), false],
    ['main', branch('x/main'), false],
    ['release/*', branch('release/1'), true],
    ['release/*', branch('release/'), true],
    ['release/*', branch('release/1/evil'), false],
    ['release/*', branch('prerelease/1'), false],
    ['v?', branch('v1'), true],
    ['v?', branch('v12'), false],
    ['v.', branch('v1'), false],
    ['*', branch('a\nb'), true],
    ['*', branch('größe'), true],
    ['?', branch('🐛'), true],
    ['(a|b)', branch('a'), false],
    ['refs/tags/v*', tag('v1.0'), true],
    ['refs/heads/main', branch('main'), true],
  ])('%s means %o: %s', (pattern, ref, meant) => {
    expect(isFor(pattern, ref)).toBe(meant);
  });

  it('for a branch does not take a tag of that name, which others may be allowed to push', () => {
    expect(isFor('release/*', tag('release/1'))).toBe(false);
    expect(isFor('refs/tags/v*', branch('v1'))).toBe(false);
    expect(isFor('refs/tags/v*', branch('refs/tags/v1'))).toBe(false);
  });
});

describe('the environment of a commit', () => {
  const layered = repositoryWith({
    env: { LEVEL: 'all', NAME: 'shop' },
    refs: [
      { match: 'release/*', env: { LEVEL: 'release', KEY: 'secret' } },
      { match: 'release/2', env: { LEVEL: 'two' } },
    ],
  });

  it.each([
    [[], { LEVEL: 'all', NAME: 'shop' }],
    [[branch('main')], { LEVEL: 'all', NAME: 'shop' }],
    [[branch('release/1')], { LEVEL: 'release', NAME: 'shop', KEY: 'secret' }],
    [[branch('main'), branch('release/2')], { LEVEL: 'two', NAME: 'shop', KEY: 'secret' }],
    [[tag('release/1')], { LEVEL: 'all', NAME: 'shop' }],
  ])('that %o point at is %o', async (refs, environment) => {
    expect(await environmentOf(layered, refs)).toEqual(environment);
  });

  it('is shown as names and layers, without values', async () => {
    expect(await variableNames(layered, [branch('release/1')])).toEqual([
      { name: 'LEVEL', layer: 'release/*' },
      { name: 'NAME', layer: 'default' },
      { name: 'KEY', layer: 'release/*' },
    ]);
  });

  it('comes from a file that is read each time; what stands beside it wins', async () => {
    using folder = new TemporaryFolder();
    const envFile = join(folder.path, 'shop.env');
    const repository = repositoryWith({ envFile, env: { B: 'beside' } });
    writeFileSync(envFile, '# words\nA=1\nB="file"\nexport C=\'3 3\'\nPORT=80\nPOOL_COMMIT=x\n');
    expect(await environmentOf(repository, [])).toEqual({ A: '1', B: 'beside', C: '3 3' });
    writeFileSync(envFile, 'A=2\n');
    expect(await environmentOf(repository, [])).toEqual({ A: '2', B: 'beside' });
  });

  it('a file that is missing is a problem at the start, and an error of ours later', async () => {
    using folder = new TemporaryFolder();
    const repository = repositoryWith({
      refs: [{ match: 'main', envFile: join(folder.path, 'none.env') }],
    });
    expect(await environmentProblems([repository])).toMatchObject([
      { message: expect.stringMatching(/none\.env cannot be read \(ENOENT\)/) as string },
    ]);
    expect(await environmentOf(repository, [])).toEqual({});
    const failed = environmentOf(repository, [branch('main')]);
    await expect(failed).rejects.toMatchObject({
      code: 'env-missing',
      message: 'The environment of shop is not complete: none.env cannot be read (ENOENT).',
    });
  });

  it('what is required and has no value is named, once, with the place to put it', async () => {
    const repository = repositoryWith({
      env: { EMPTY: '', SET: 'hunter2' },
      requiredEnv: ['TOKEN', 'SET', 'EMPTY'],
      refs: [{ match: 'release/*', env: { EMPTY: 'x' }, requiredEnv: ['KEY', 'TOKEN'] }],
    });
    const failed = environmentOf(repository, [branch('release/1')]);
    await expect(failed).rejects.toMatchObject({
      message: 'The environment of shop is not complete: TOKEN has no value; KEY has no value.',
      next: expect.stringContaining('pool.config.ts') as string,
    });
    const other = environmentOf(repository, []);
    await expect(other).rejects.toMatchObject({
      message: expect.stringMatching(/TOKEN has no value; EMPTY has no value\.$/) as string,
    });
  });
});
