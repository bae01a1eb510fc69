import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeInstance } from '../../src/engine/remove-instance.ts';
import { connectEngine } from '../../src/engine/connect.ts';
import { instanceOf } from '../../src/engine/labels.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { page } from './fixtures/applications.ts';
import { PoolProcess } from './fixtures/pool-process.ts';
import { askPort } from './fixtures/test-pool.ts';

const TOP = join(import.meta.dirname, '../..');

interface Lock {
  packages: Record<string, { dev?: boolean; dependencies?: Record<string, string> }>;
}

const folder = new TemporaryFolder();
const installed = join(folder.path, 'node_modules/pool');
const pool = join(folder.path, 'node_modules/.bin/pool');
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` };

function run(command: string, args: readonly string[], cwd = folder.path): string {
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: 'pipe' });
}

/** Packs this repository and installs it, with the versions that its own lock file has. */
beforeAll(() => {
  run('npm', ['pack', '--silent', '--pack-destination', folder.path], TOP);
  const { version } = readJson('package.json') as { version: string };
  const dependencies = { pool: `file:pool-${version}.tgz` };
  const { packages } = readJson('package-lock.json') as Lock;
  const needed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);
  const own = { version, resolved: dependencies.pool, ...packages[''] };
  const lock = {
    lockfileVersion: 3,
    packages: {
      '': { dependencies },
      'node_modules/pool': own,
      ...Object.fromEntries(needed),
    },
  };
  writeFileSync(join(folder.path, 'package.json'), JSON.stringify({ dependencies }));
  writeFileSync(join(folder.path, 'package-lock.json'), JSON.stringify(lock));
  // Where npm installed this repository, its cache has all of them.
  run('npm', ['ci', '--omit=dev', '--prefer-offline', '--ignore-scripts', '--no-audit']);
});

afterAll(() => folder[Symbol.dispose]());

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(join(TOP, name), 'utf8'));
}

test('the package brings no TypeScript but its types, and its command runs without the repository', () => {
  const files = run('find', [installed, '-name', '*.ts', '-not', '-name', '*.d.ts']);
  expect(files).toBe('');
  expect(existsSync(join(installed, 'src'))).toBe(false);
  expect(run(pool, ['--version'])).toMatch(/^pool \d+\.\d+\.\d+\n$/);
  expect(run(pool, ['serve', '--help'])).toContain('--repository');
});

test('an older Node is told which one is needed', () => {
  const older = `Object.defineProperty(process, 'versions', { value: { node: '22.21.0' } })`;
  const preload = `data:text/javascript,${encodeURIComponent(older)}`;
  const { status, stderr } = spawnSync(process.execPath, ['--import', preload, pool, 'ls'], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([1, expect.stringMatching(/needs Node 24\.12 .* 22\.21\.0/)]);
});

const config = (options: string) =>
  `import { defineConfig } from 'pool/config';\nexport default defineConfig({ ${options} });\n`;

test('defineConfig is typed: a good configuration passes tsc, a misspelt key does not', () => {
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable', 'dom'],
    types: [],
    strict: true,
    noEmit: true,
  };
  const configs = {
    'good-1.ts': "repositories: ['.', { url: '.', refs: [{ match: 'x', env: { A: 'b' } }] }]",
    'good-2.ts': "limits: { memory: '1g' }, builder: 'auto', noindex: false",
    'bad-1.ts': 'holdMS: 5',
    'bad-2.ts': "repositories: [{ url: '.', evn: {} }]",
    'bad-3.ts': 'holdMs: "5"',
  };
  for (const [name, options] of Object.entries(configs))
    writeFileSync(join(folder.path, name), config(options));
  const project = { compilerOptions, files: Object.keys(configs) };
  writeFileSync(join(folder.path, 'tsconfig.json'), JSON.stringify(project));
  const { status, stdout } = spawnSync(join(TOP, 'node_modules/.bin/tsc'), ['-p', folder.path], {
    env,
    encoding: 'utf8',
  });
  expect(status).not.toBe(0);
  const told = [...stdout.matchAll(/^[^\s(]+(?=\()/gm)].map(([path]) => basename(path));
  expect(new Set(told)).toEqual(new Set(['bad-1.ts', 'bad-2.ts', 'bad-3.ts']));
});

test('an installed pool serves a repository by its own pool.config.ts', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('from a package'));
  const text = `import { defineConfig } from 'pool/config';
    const url: string = ${JSON.stringify(repository.path)};
    export default defineConfig({ repositories: [{ url, name: 'web' }], dataDir: './data' });\n`;
  writeFileSync(join(folder.path, 'pool.config.ts'), text);
  mkdirSync(join(folder.path, 'data'));
  const engine = await connectEngine(undefined, process.env);
  try {
    const args = ['--listen', '127.0.0.1:0'];
    await using serving = await PoolProcess.serve(
      args,
      folder.path,
      {},
      join(installed, 'dist/cli/pool.js'),
    );
    const port = Number(/pool\.localhost:(\d+)\//.exec(serving.output)?.[1]);
    const ask = async (host: string) => {
      const asking = { host, path: '/', method: 'GET', headers: { accept: 'text/html' } };
      return (await (await askPort(port, asking)).setEncoding('utf8').toArray()).join('');
    };
    expect(await ask('pool.localhost')).toContain('<style>');
    expect(run(pool, ['wait', 'main'])).toContain(commit.slice(0, 10));
    expect(await ask('main.pool.localhost')).toContain('from a package');
    expect(serving.errors).not.toMatch(/warning/i);
  } finally {
    await removeInstance(engine, instanceOf(join(folder.path, 'data')));
  }
});
