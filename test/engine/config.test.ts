import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { LABORATORY, node, page } from './fixtures/applications.ts';
import { askPort, TestPool } from './fixtures/test-pool.ts';
import { PoolProcess } from './fixtures/pool-process.ts';

const environmentAt = async (pool: TestPool, ref: string) =>
  JSON.parse((await pool.visit(ref, { path: '/environment' })).text) as Record<string, string>;

test('a commit gets the variables of the branches that point at it, and an older one does not', async () => {
  using folder = new TemporaryFolder();
  using repository = new GitRepository();
  const old = await repository.commit(node(LABORATORY), 'Old');
  repository.git(['branch', 'release/1']);
  const tip = await repository.commit({ change: 'x' }, 'Tip');
  repository.git(['branch', '--force', 'release/1', tip]);
  repository.git(['tag', 'release/evil', old]);
  const envFile = join(folder.path, 'production.env');
  writeFileSync(envFile, 'KEY=hunter2\n');
  const shop = { name: 'web', url: repository.path, env: { LEVEL: 'all', DATA: 'a b="c"\n$d' } };
  const refs = [{ match: 'release/*', env: { LEVEL: 'release' }, envFile }];
  await using pool = await TestPool.open([], { repositories: [{ ...shop, refs }] });

  const below = await environmentAt(pool, old);
  expect(below).toMatchObject({ LEVEL: 'all', DATA: 'a b="c"\n$d', POOL_COMMIT: old });
  expect(below).not.toHaveProperty('KEY');
  expect(await environmentAt(pool, 'release-1')).toMatchObject({
    LEVEL: 'release',
    KEY: 'hunter2',
  });

  const html = await pool.visit(tip, { path: '/_pool/', navigation: true });
  expect(html.text).toContain('KEY (release/*)');
  const json = await pool.visit(tip, { path: '/_pool/' });
  expect(JSON.parse(json.text)).toMatchObject({
    variables: [
      { name: 'LEVEL', layer: 'release/*' },
      { name: 'DATA', layer: 'default' },
      { name: 'KEY', layer: 'release/*' },
    ],
  });
  const log = await pool.visit(tip, { path: '/_pool/log' });
  const told = [html.text, json.text, log.text, JSON.stringify(pool.events)].join('\n');
  expect(told).not.toContain('hunter2');
});

test('a required variable without a value fails before the build, and the next visit tries again', async () => {
  using folder = new TemporaryFolder();
  using repository = new GitRepository();
  await repository.commit(page('shop'));
  const envFile = join(folder.path, 'shop.env');
  writeFileSync(envFile, 'OTHER=1\n');
  const web = { name: 'web', url: repository.path, envFile, requiredEnv: ['TOKEN'] };
  await using pool = await TestPool.open([], { repositories: [web] });

  const refused = await pool.visit('main');
  expect(refused.status).toBe(502);
  expect(JSON.parse(refused.text)).toMatchObject({
    code: 'env-missing',
    detail: 'The environment of web is not complete: TOKEN has no value.',
    next: expect.stringContaining('envFile') as string,
  });
  expect(pool.count('building')).toBe(0);

  writeFileSync(envFile, 'TOKEN=1\n');
  expect((await pool.visit('main')).text).toContain('shop');
});

test('limits, capabilities, noindex and the public URL are as configured', async () => {
  using repository = new GitRepository();
  await repository.commit(node(LABORATORY));
  await using pool = await TestPool.open([repository.path], {
    limits: { memory: '128m', processes: 64 },
    capabilities: ['NET_BIND_SERVICE'],
    noindex: false,
    publicUrl: 'https://pool.localhost:8443',
  });
  const { headers, text } = await pool.visit('main', { path: '/environment' });
  expect(headers).not.toHaveProperty('x-robots-tag');
  expect(JSON.parse(text)).toMatchObject({
    POOL_URL: expect.stringMatching(/^https:\/\/[0-9a-f]{40}\.pool\.localhost:8443\/$/) as string,
  });
  const [container] = await pool.containers();
  const { HostConfig } = await pool.engine.docker.getContainer(container?.Id ?? '').inspect();
  expect(HostConfig).toMatchObject({
    Memory: 128 * 2 ** 20,
    PidsLimit: 64,
    CapAdd: [expect.stringMatching(/^(CAP_)?NET_BIND_SERVICE$/)],
    CapDrop: ['ALL'],
  });
});

test('X-Forwarded-* is believed of a proxy that is named, and of nobody else', async () => {
  using repository = new GitRepository();
  await repository.commit(node(LABORATORY));
  const forwarded = async (trustedProxies: string[]) => {
    await using pool = await TestPool.open([repository.path], { trustedProxies });
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
    const { text } = await pool.visit('main', { path: '/headers', headers });
    return (JSON.parse(text) as string[]).join(' ');
  };
  expect(await forwarded(['127.0.0.0/8'])).toContain('203.0.113.7');
  expect(await forwarded(['10.0.0.1'])).not.toContain('203.0.113.7');
});

test('pool serve reads pool.config.ts where one stands, and flags win over it', async () => {
  using folder = new TemporaryFolder();
  using repository = new GitRepository();
  await repository.commit(page('from the file'));
  const text = `import { defineConfig } from 'pool/config';
    const port: number = 1;
    export default defineConfig({
      repositories: [{ name: 'one', url: ${JSON.stringify(repository.path)} },
        'two=' + ${JSON.stringify(repository.path)}],
      listen: '127.0.0.1:' + port,
      dataDir: 'data',
      domains: ['file.localhost'],
    });`;
  writeFileSync(join(folder.path, 'pool.config.ts'), text);
  await using pool = await PoolProcess.serve(['--listen', '127.0.0.1:0'], folder.path);
  const port = Number(/http:\/\/file\.localhost:(\d+)\//.exec(pool.output)?.[1]);
  const answer = await askPort(port, {
    host: 'main---two.file.localhost',
    path: '/',
    method: 'GET',
    headers: {},
  });
  expect((await answer.setEncoding('utf8').toArray()).join('')).toContain('from the file');
  expect(pool.errors).not.toMatch(/warning/i);
});

test('a configuration file that is wrong is told with its place and exits with 2', async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, 'pool.config.ts');
  const serveWith = async (text: string, ...args: string[]) => {
    writeFileSync(path, text);
    return await PoolProcess.run(['serve', ...args], { cwd: folder.path });
  };
  const thrown = await serveWith('const a: number = 1;\nthrow new Error(`no ${a}`);\nexport {};\n');
  expect(thrown).toMatchObject({ code: 2, output: '' });
  expect(thrown.errors).toContain(`pool: ${path}:2: Error: no 1; mend that line`);

  const wrong = await serveWith(
    "export default { repositories: [{ url: 'ssh://x', evn: {} }], holdMS: 5 };",
    '--listen',
    'x',
  );
  expect(wrong.errors).toContain(`pool: ${path}: repositories[0].url: expected the path of`);
  expect(wrong.errors).toContain('"evn" is no option here; did you mean "env"?');
  expect(wrong.errors).toContain('did you mean "holdMs"?');
  expect(wrong.errors).toContain('pool: --listen: expected <host>:<port>');

  mkdirSync(join(folder.path, '.git'));
  const missing = await serveWith(
    "export default { repositories: [{ name: 'shop', url: '.', envFile: 'none.env' }] };",
  );
  expect(missing).toMatchObject({ code: 2 });
  expect(missing.errors).toMatch(
    /envFile of shop: \S+none\.env cannot be read \(ENOENT\); make it, or mend its path/,
  );
});
