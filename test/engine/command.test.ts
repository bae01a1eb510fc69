import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { page } from './fixtures/applications.ts';
import { PoolProcess } from './fixtures/pool-process.ts';

test('help and version are printed, and exit with 0', async () => {
  const help = await PoolProcess.run(['serve', '--help']);
  expect(help).toMatchObject({ code: 0, errors: '' });
  for (const flag of ['--repository', '--domain', '--listen', '--data-dir', '--engine']) {
    expect(help.output).toContain(flag);
  }
  expect((await PoolProcess.run(['--help'])).output).toContain('pool serve');
  expect((await PoolProcess.run(['--version'])).output).toMatch(/^pool \d+\.\d+\.\d+\n$/);
});

test('a wrong command line is told whole, and exits with 2', async () => {
  const { code, errors } = await PoolProcess.run([
    'serve',
    '--repository',
    'ftp://host/x',
    '--listen',
    'nowhere',
    '--domian',
    'x.dev',
    '--engine',
    'localhost',
  ]);
  expect(code).toBe(2);
  expect(errors).toContain(
    '--repository: expected the path of a Git repository or an https URL, ssh://user@host/path or user@host:path; came "ftp://host/x"',
  );
  expect(errors).toContain('--listen: expected <host>:<port>');
  expect(errors).toContain('--domian: is no flag');
  expect(errors).toContain('did you mean --domain?');
  expect(errors).toContain('--engine: expected unix:///');
  expect((await PoolProcess.run([])).code).toBe(2);
  expect((await PoolProcess.run(['sevre'])).errors).toContain('no command "sevre"');
});

test('no repository, a folder that is none, and no engine each get a sentence and a next step', async () => {
  using folder = new TemporaryFolder();
  const nowhere = await PoolProcess.run(['serve'], { cwd: folder.path });
  expect(nowhere).toMatchObject({
    code: 2,
    errors: expect.stringContaining('--repository <path or URL>'),
  });

  const data = ['--data-dir', `${folder.path}/data`, '--listen', '127.0.0.1:0'];
  const none = await PoolProcess.run(['serve', '--repository', folder.path, ...data]);
  expect(none).toMatchObject({ code: 1, errors: expect.stringContaining('cannot be read') });
  expect(none.errors).toContain('pool doctor');

  using repository = new GitRepository();
  await repository.commit(page('x'));
  const engine = ['--engine', `unix://${folder.path}/none.sock`];
  const noEngine = await PoolProcess.run([
    'serve',
    '--repository',
    repository.path,
    ...data,
    ...engine,
  ]);
  expect(noEngine).toMatchObject({
    code: 1,
    errors: expect.stringContaining('No Docker engine answers'),
  });
  expect(noEngine.errors).toContain('--engine');
});

test('a port that is taken, a folder that another pool serves from and one that is none are named', async () => {
  using repository = new GitRepository();
  await repository.commit(page('x'));
  using folder = new TemporaryFolder();
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const args = ['--repository', repository.path, '--data-dir', folder.path];
  const taken = await PoolProcess.run(['serve', ...args, '--listen', `127.0.0.1:${port}`]);
  expect(taken).toMatchObject({
    code: 1,
    errors: expect.stringContaining(`127.0.0.1:${port} is taken`),
  });
  expect(taken.errors).toContain('--listen');
  server.close();

  await using first = await PoolProcess.serve([...args, '--listen', '127.0.0.1:0']);
  expect(first.output).toContain('http://main.pool.localhost:');
  const second = await PoolProcess.run(['serve', ...args, '--listen', '127.0.0.1:0']);
  expect(second).toMatchObject({
    code: 1,
    errors: expect.stringContaining('another pool serves from'),
  });
  const file = `${repository.path}/Dockerfile`;
  const noFolder = await PoolProcess.run(['serve', ...args, '--data-dir', file]);
  expect(noFolder).toMatchObject({
    code: 1,
    errors: expect.stringContaining(`the data folder ${file} cannot be used`),
  });
});

test('a folder stays locked when a file of the lock is removed, and is free after kill -9', async () => {
  using repository = new GitRepository();
  await repository.commit(page('x'));
  using folder = new TemporaryFolder();
  const args = ['--repository', repository.path, '--data-dir', folder.path];
  args.push('--listen', '127.0.0.1:0');
  for (const name of ['control.sock', 'lock']) {
    await using first = await PoolProcess.serve(args);
    rmSync(`${folder.path}/${name}`, { force: true });
    const second = await PoolProcess.run(['serve', ...args]);
    expect(second.errors, `without ${name}`).toContain(
      `another pool serves from ${folder.path}; end it`,
    );
    expect(second.code).toBe(1);
    await first.end('SIGKILL');
  }
  await using third = await PoolProcess.serve(args);
  expect(await third.end('SIGTERM')).toBe(0);
});

test('pool serve takes the repository one stands in, and warns of nothing', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({ ...page('x'), 'deep/down/file': '' });
  using folder = new TemporaryFolder();
  const args = ['--data-dir', folder.path, '--listen', '127.0.0.1:0'];
  await using pool = await PoolProcess.serve(args, `${repository.path}/deep/down`);
  expect(pool.output).toContain(`http://${commit}.pool.localhost:`);
  expect(await pool.end('SIGINT')).toBe(0);
  expect(pool.errors).not.toMatch(/warning|deprecat/i);
});
