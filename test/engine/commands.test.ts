import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, page } from './fixtures/applications.ts';
import { PoolProcess } from './fixtures/pool-process.ts';
import { TestPool } from './fixtures/test-pool.ts';

const to = (pool: TestPool) => ({
  run: async (...args: string[]) => await PoolProcess.run([...args, '--data-dir', pool.dataDir]),
});

test('a preview is waited for, listed and read about from the command line', async () => {
  using repository = new GitRepository();
  const step = fresh('echo a step');
  const commit = await repository.commit(page('shop', [step]), 'Open \u001B[31mthe shop');
  await using pool = await TestPool.open([repository.path]);
  const { run } = to(pool);
  expect(await run('ls')).toEqual({ code: 0, output: '', errors: 'Nothing was visited yet.\n' });

  const waited = await run('wait', 'main');
  expect(waited).toMatchObject({ code: 0, errors: '' });
  expect(waited.output).toContain(`${commit.slice(0, 10)} Open the shop\nweb: built in `);
  expect(waited.output).toContain(`\n${pool.url(commit)}\n`);
  expect((await run('wait', pool.url('main'))).code).toBe(0);
  expect((await run('wait', `${commit.slice(0, 9)}.pool.dev`)).code).toBe(0);
  expect(pool.count('building')).toBe(1);

  const listed = await run('ls');
  expect(listed.output).toMatch(/^COMMIT +REPOSITORY +PHASE +SINCE +NAMED BY +SUBJECT\n/);
  expect(listed.output).toMatch(
    new RegExp(`\n${commit.slice(0, 10)} +web +ready +just now +main +Open the shop\n$`),
  );
  expect(JSON.parse((await run('ls', '--json')).output)).toMatchObject([
    { commit, address: commit, phase: 'ready', refs: ['main'] },
  ]);
  expect((await run('logs', 'main')).output).toContain(step.slice(4, 40));
  expect(JSON.parse((await run('logs', '--json', commit)).output)).toHaveProperty('text');
});

test('a preview is stopped and removed from the command line, once or twice', async () => {
  using repository = new GitRepository();
  await repository.commit(page('shop', [fresh('true')]));
  await using pool = await TestPool.open([repository.path]);
  const { run } = to(pool);
  expect((await pool.visit('main')).text).toContain('shop');
  const stopped = await run('stop', 'main');
  expect(stopped).toMatchObject({ code: 0, errors: '' });
  expect(stopped.output).toContain('web: not running\n');
  expect(await pool.containers()).toEqual([]);
  expect((await run('stop', 'main')).code).toBe(0);
  expect((await run('ls')).output).toMatch(/ web +cold +main /);
  expect((await pool.visit('main')).text).toContain('shop');
  expect(pool.count('building')).toBe(1);

  for (const _ of ['once', 'and again']) {
    expect(await run('rm', 'main')).toMatchObject({ code: 0, errors: '' });
    expect((await run('ls')).output).toBe('');
    const { output, errors } = await run('logs', 'main');
    expect([output, errors]).toEqual(['', expect.stringContaining('no log yet')]);
  }
  expect(await pool.containers()).toEqual([]);
  expect((await pool.visit('main')).text).toContain('shop');
  expect(pool.count('building')).toBe(2);
});

test('a failure, a time that is over, an address that is none: each has its exit code and next step', async () => {
  using repository = new GitRepository();
  const slow = await repository.commit(page('slow', [fresh('sleep 30')]), 'Slow');
  repository.git(['tag', 'v1.0', slow]);
  await repository.commit({ ...page('x', [fresh('false')]) }, 'Broken');
  repository.git(['branch', 'feature/Login']);
  await using pool = await TestPool.open([repository.path]);
  const { run } = to(pool);

  const failed = await run('wait', 'main');
  expect(failed.code).toBe(1);
  expect(failed.errors).toMatch(/^pool: The step ".*" ended with exit code 1\.\n\S/);
  expect((await run('wait', 'main', '--json')).output).toContain('"code": "build-failed"');

  const late = await run('wait', 'v1-0', '--timeout', '300ms');
  expect(late).toMatchObject({ code: 3, output: expect.stringContaining('building') as string });

  expect(await run('wait', 'mian')).toMatchObject({
    code: 4,
    errors: expect.stringMatching(/^pool: "mian" is unknown\. .*\nNear to it: main\.\n$/) as string,
  });
  expect(await run('wait', 'feature/Login')).toMatchObject({
    code: 4,
    errors: expect.stringContaining('is written feature-login') as string,
  });
  expect((await run('stop', 'example.com')).code).toBe(4);
  expect((await run('stop', pool.site)).code).toBe(4);
  expect(await run('wait', 'main', '--timeout', 'soon')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('expected a time such as 90s') as string,
  });
  expect((await run('wait')).errors).toContain('<address>: is missing');
  expect((await run('rm', 'a', 'b')).errors).toContain('b: is no flag');
});

test('a build that is under way ends when it is stopped, and the next visit starts another', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('slow', [fresh('sleep 300')]));
  await using pool = await TestPool.open([repository.path]);
  const { run } = to(pool);
  const held = pool.visit(commit);
  await until('it builds', () => pool.count('building') === 1);
  expect(await run('stop', commit)).toMatchObject({ code: 0, errors: '' });
  expect(JSON.parse((await held).text)).toMatchObject({ status: 502, code: 'cancelled' });
  expect((await pool.state(commit)).state.phase).toBe('cold');
  expect(pool.count('building')).toBe(1);

  const next = pool.visit(commit, { headers: { prefer: 'respond-async' } });
  expect((await next).status).toBe(202);
  await until('it builds again', () => pool.count('building') === 2);
  expect((await run('rm', commit)).code).toBe(0);
  expect((await run('ls')).output).toBe('');
});

test('the log is followed to its end', async () => {
  using repository = new GitRepository();
  const steps = [fresh('echo first'), 'RUN sleep 1; echo second'];
  await repository.commit(page('x', steps));
  await using pool = await TestPool.open([repository.path]);
  const { run } = to(pool);
  expect(await run('wait', 'main', '--timeout', '0s')).toMatchObject({ code: 3 });
  const { code, output } = await run('logs', '-f', 'main');
  expect(code).toBe(0);
  expect(output.indexOf('second')).toBeGreaterThan(output.indexOf('first'));
  expect((await pool.state('main')).state.phase).toBe('ready');
});

test('a rebuild is a build anew, and answers as before', async () => {
  using repository = new GitRepository();
  const first = await repository.commit(
    page('shop', [fresh('tr -dc a-z < /dev/urandom | head -c 16 > random')]),
  );
  await repository.commit({}, 'Share its image');
  await using pool = await TestPool.open([repository.path]);
  const { run } = to(pool);
  const random = async (ref: string) => (await pool.visit(ref, { path: '/random' })).text;
  const before = await random(first);
  expect(await random('main')).toBe(before);
  expect((await run('rebuild', 'main', '--no-pull')).code).toBe(0);
  const after = await random('main');
  expect(after).not.toBe(before);
  expect(await pool.containers()).toHaveLength(2);

  const failed = await run('rebuild', 'main');
  expect(failed.code, 'no registry has its base image').toBe(1);
  expect(failed.output).toContain('the rebuild failed, what was there serves on');
  expect(failed.errors).toContain('A base image cannot be had');
  expect((await run('ls')).output).toContain('ready, rebuild failed');
  expect(await random('main')).toBe(after);
  expect(await random(first), 'the other commit keeps what it has').toBe(before);
});

test('without a pool each command says how to start one', async () => {
  using folder = new TemporaryFolder();
  for (const args of [['ls'], ['wait', 'main'], ['logs', 'main'], ['stop', 'x'], ['rm', 'x']]) {
    expect(await PoolProcess.run([...args, '--data-dir', folder.path])).toEqual({
      code: 5,
      output: '',
      errors: `pool: No pool serves from ${folder.path}.\nStart it with "pool serve", or name its folder with --data-dir.\n`,
    });
  }
  const asData = await PoolProcess.run(['ls', '--json', '--data-dir', folder.path]);
  expect([asData.output, JSON.parse(asData.errors)]).toMatchObject([
    '',
    { error: { message: `No pool serves from ${folder.path}.`, exitCode: 5 } },
  ]);
  const config = join(folder.path, 'pool.config.ts');
  writeFileSync(config, 'export default { dataDir: "there" };\n');
  const told = await PoolProcess.run(['ls'], { cwd: folder.path });
  expect(told.errors).toContain(`No pool serves from ${folder.path}/there.`);
});

test('no visitor of the bare domain reaches a verb, however he spells it', async () => {
  using repository = new GitRepository();
  await repository.commit(page('shop'));
  await using pool = await TestPool.open([repository.path]);
  expect((await pool.visit('main')).status).toBe(200);
  const [running] = await pool.containers();
  const body = JSON.stringify({ address: 'main' });
  const paths = ['stop', 'rm', 'rebuild', 'ls', 'wait', 'log'].flatMap((verb) => [
    `/${verb}`,
    `//${verb}`,
    `/./${verb}`,
    `/events/../${verb}`,
    `/%2e/${verb}`,
    `/${verb}?repository=web`,
    `http://${pool.site}/${verb}`,
    `/_pool/${verb}`,
  ]);
  for (const path of paths) {
    for (const method of ['POST', 'GET', 'PUT', 'DELETE']) {
      const headers = { 'content-type': 'application/json', 'x-forwarded-host': 'control.sock' };
      const sent = method === 'POST' || method === 'PUT' ? { body } : {};
      const { status, text } = await pool.visit('', { path, method, headers, ...sent });
      expect([404, 405], `${method} ${path}`).toContain(status);
      expect(text).not.toContain('"phase"');
    }
  }
  expect(await pool.containers()).toMatchObject([{ Id: running?.Id, State: 'running' }]);
  for (const socket of ['control.sock', 'desk.sock']) {
    expect(statSync(join(pool.dataDir, socket)).mode & 0o777).toBe(0o600);
  }
});
