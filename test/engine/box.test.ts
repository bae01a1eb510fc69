import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TemporaryFolder } from '../unit/fixtures/git-repository.ts';

const TOP = join(import.meta.dirname, '../..');

test('Vagrant takes the Vagrantfile, whatever it runs machines with', () => {
  using folder = new TemporaryFolder();
  const { path } = folder;
  const env = { ...process.env, VAGRANT_HOME: path, VAGRANT_DOTFILE_PATH: join(path, 'machines') };
  const { error, stdout, stderr } = spawnSync('vagrant', ['validate', '--ignore-provider'], {
    cwd: TOP,
    env,
    encoding: 'utf8',
  });
  if (error !== undefined) throw new Error('install the package vagrant', { cause: error });
  expect(stdout + stderr).toContain('Vagrantfile validated successfully');
});
