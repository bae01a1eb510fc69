import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

const CLI = join(import.meta.dirname, '../../../src/cli/pool.ts');

/** Runs it in a folder of its own; returns what it said. */
const run = (cwd: string, env: NodeJS.ProcessEnv) =>
  execFileSync(process.execPath, [CLI, '--help'], { cwd, env, encoding: 'utf8' });

describe('what a command compiled', () => {
  it('is kept in the cache of its user', () => {
    using home = new TemporaryFolder();
    run(home.path, { HOME: home.path, TMPDIR: '/nonexistent' });
    expect(readdirSync(join(home.path, '.cache'))).toEqual(['pool']);
    run(home.path, { HOME: '/nonexistent', XDG_CACHE_HOME: home.path });
    expect(readdirSync(home.path)).toEqual(['.cache', 'pool']);
  });

  it.each([
    {},
    { HOME: '' },
    { HOME: '.' },
    { XDG_CACHE_HOME: '.', HOME: '' },
    { HOME: '/dev/null' },
  ])('is not kept, and runs, where that is no folder by its full path: %j', (env) => {
    using folder = new TemporaryFolder();
    expect(run(folder.path, env)).toContain('pool serve');
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('is not kept where others may write', () => {
    using shared = new TemporaryFolder();
    chmodSync(shared.path, 0o777);
    expect(run(shared.path, { XDG_CACHE_HOME: shared.path })).toContain('pool serve');
    expect(readdirSync(shared.path)).toEqual([]);
  });
});
