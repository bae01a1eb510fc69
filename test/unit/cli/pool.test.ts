import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

const CLI = join(import.meta.dirname, '../../../src/cli/pool.ts');

const run = (env: NodeJS.ProcessEnv) =>
  execFileSync(process.execPath, [CLI, '--help'], { env, encoding: 'utf8' });

it('what a command compiled is kept where only its user writes, and where nothing can be kept it runs', () => {
  using folder = new TemporaryFolder();
  const said = run({ HOME: folder.path, TMPDIR: '/nonexistent' });
  expect(said).toContain('pool serve');
  expect(readdirSync(join(folder.path, '.cache'))).toEqual(['pool']);
  expect(run({ XDG_CACHE_HOME: '/dev/null' })).toBe(said);
  expect(run({})).toBe(said);
});
