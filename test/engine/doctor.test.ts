import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { page } from './fixtures/applications.ts';
import { PoolProcess } from './fixtures/pool-process.ts';
import { TestPool } from './fixtures/test-pool.ts';

interface Finding {
  state: string;
  about: string;
  words: string;
  next?: string;
}

/** Runs `pool doctor --json`; findings by what they are about. */
async function examine(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { code, output } = await PoolProcess.run(['doctor', '--json', ...args], { env });
  const findings = JSON.parse(output) as Finding[];
  return { code, of: (about: string) => findings.find((one) => one.about === about) };
}

test('beside a pool that runs the doctor finds its port held and its previews apart, by trying', async () => {
  using repository = new GitRepository();
  await repository.commit(page('x'));
  await using pool = await TestPool.open([repository.path]);
  expect((await pool.visit('main')).status).toBe(200);
  const where = ['--data-dir', pool.dataDir, '--listen', `127.0.0.1:${pool.port}`];
  const [{ code, of }, { output }] = await Promise.all([
    examine(where),
    PoolProcess.run(['doctor', ...where]),
  ]);
  expect(code).toBe(0);
  expect(of('git')?.state).toBe('ok');
  expect(of('engine')).toMatchObject({
    state: 'ok',
    words: pool.engine.version.concat(' at ', pool.engine.host),
  });
  expect(of('port')?.words).toBe(`127.0.0.1:${pool.port} is held by the pool that runs`);
  expect(of('isolation')?.words).toMatch(/^tried: one container does not reach another on /);
  expect(of('ports')?.words).toBe('published on 127.0.0.1, which this machine alone reaches');
  expect(await pool.containers()).toHaveLength(1);

  expect(output).toMatch(/^ok {4}git +\d/m);
  expect(output).toMatch(/^ok {4}isolation {3}/m);
});

test('what is bad is told with the next step, and exits with 1', async () => {
  using folder = new TemporaryFolder();
  chmodSync(folder.path, 0o755);
  const taken = createServer().listen(0, '0.0.0.0');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  try {
    const args = ['--data-dir', folder.path, '--domain', 'pool.invalid'];
    const { code, of } = await examine([...args, '--listen', `127.0.0.1:${port}`]);
    expect(code).toBe(1);
    expect(of('port')).toMatchObject({ state: 'bad', next: 'Choose another with --listen.' });
    expect(of('data folder')).toMatchObject({ state: 'warn' });
    expect(of('*.pool.invalid')).toMatchObject({ state: 'warn', words: 'does not resolve here' });
    const free = await examine([...args, '--listen', '127.0.0.1:0']);
    expect(free.of('exposure')?.words).toContain(String(port));
  } finally {
    taken.close();
  }

  const none = ['--data-dir', folder.path, '--engine', `unix://${folder.path}/none.sock`];
  const without = await examine(none, { PATH: folder.path });
  expect(without.code).toBe(1);
  expect(without.of('engine')?.words).toContain('No Docker engine answers');
  expect(without.of('engine')?.next).toContain('--engine');
  expect(without.of('git')).toMatchObject({ state: 'bad', words: 'is not there' });
});

test('a git that does not obey in all is told by the doctor, and in the log of a start', async () => {
  using folder = new TemporaryFolder();
  using repository = new GitRepository();
  const script = `[ "$1" = --version ] && exec echo git version 2.39.3\nPATH="\${PATH#*:}" exec git "$@"`;
  writeFileSync(join(folder.path, 'git'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const env = { PATH: `${folder.path}:${process.env['PATH']}` };
  const args = ['--data-dir', join(folder.path, 'data'), '--listen', '127.0.0.1:0'];
  const { code, of } = await examine(args, env);
  expect([code, of('git')?.state]).toEqual([0, 'warn']);
  expect(of('git')?.next).toContain('2.39.4');
  await using pool = await PoolProcess.serve(['--repository', repository.path, ...args], '/', env);
  await until('it is said', () => / doctor about=git words="2\.39\.3 may run/.test(pool.errors));
});
