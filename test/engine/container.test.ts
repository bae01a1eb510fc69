import { spawnSync } from 'node:child_process';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectEngine, type Engine } from '../../src/engine/connect.ts';
import { LABEL } from '../../src/engine/labels.ts';
import { removeInstance } from '../../src/engine/remove-instance.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { page } from './fixtures/applications.ts';
import { buildPoolImage } from './fixtures/pool-image.ts';
import { askPort } from './fixtures/test-pool.ts';

const COMPOSE = join(import.meta.dirname, '../../docker/compose.yml');
const name = `pool-test-${process.pid}`;
const port = 16_080 + Math.floor(Math.random() * 900);
let engine: Engine;

beforeAll(async () => {
  engine = await connectEngine(undefined, process.env);
  await buildPoolImage(engine, name);
});

afterAll(async () => {
  await removeInstance(engine, name);
  for (const tag of [name, `${name}-stand-in`])
    await engine.docker.getImage(tag).remove({ force: true });
});

/** A machine's folder of pool: a configuration, and a repository that is root's. */
class Mounted implements Disposable {
  readonly #folder = new TemporaryFolder();
  readonly #env: NodeJS.ProcessEnv;

  constructor(repository: GitRepository) {
    const { path } = this.#folder;
    const socket = engine.host.replace('unix://', '');
    chmodSync(path, 0o755);
    repository.git(['clone', '--quiet', '--bare', '.', join(path, 'shop')]);
    const values = { repositories: ['./shop'], listen: `127.0.0.1:${port}` };
    writeFileSync(join(path, 'pool.config.ts'), `export default ${JSON.stringify(values)};\n`);
    this.#env = {
      DOCKER_GID: String(statSync(socket).gid),
      DOCKER_SOCKET: socket,
      POOL_FOLDER: path,
      POOL_IMAGE: name,
      POOL_INSTANCE: name,
    };
  }

  /** Runs docker-compose to its end. */
  compose(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const all = ['--project-name', name, '--file', COMPOSE, ...args];
    const ours = { ...process.env, ...this.#env, ...env };
    const { status, stdout, stderr, error } = spawnSync('docker-compose', all, {
      env: ours,
      encoding: 'utf8',
    });
    if (error !== undefined)
      throw new Error('install the package docker-compose', { cause: error });
    return { status, said: stdout + stderr };
  }

  [Symbol.dispose](): void {
    this.compose(['down', '--volumes', '--timeout', '1']);
    this.#folder[Symbol.dispose]();
  }
}

async function visit(ref: string): Promise<string> {
  const asking = { host: `${ref}.pool.localhost:${port}`, path: '/', method: 'GET', headers: {} };
  const answer = await askPort(port, asking).catch(() => undefined);
  return answer === undefined ? '' : (await answer.setEncoding('utf8').toArray()).join('');
}

test('the compose file runs pool as nobody much beside the engine; previews go on while it is away', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Beside its pool'));
  using mounted = new Mounted(repository);
  const { docker } = engine;
  const inPool = (...command: string[]) => mounted.compose(['exec', '-T', 'pool', ...command]);
  const up = mounted.compose(['up', '--no-build', '--detach']);
  expect(up).toMatchObject({ status: 0 });
  await until(
    'the first preview is there',
    async () => (await visit(commit)).includes('Beside its pool'),
    20_000,
  );

  const [own] = await docker.listContainers({ filters: { ancestor: [name] } });
  const container = docker.getContainer(own?.Id ?? '');
  const { Config } = await container.inspect();
  const [, ...check] = Config.Healthcheck?.Test ?? [];
  expect(inPool(...check)).toMatchObject({ status: 0 });
  expect(inPool('pool', 'ls')).toMatchObject({
    status: 0,
    said: expect.stringContaining('ready') as string,
  });
  const { said: status } = inPool('sh', '-c', 'cat /proc/self/status; touch /opt/pool/x');
  expect(status).toMatch(/^Uid:\t1000\t1000/m);
  expect(status).toMatch(/^CapBnd:\t0+$/m);
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  expect(status).toContain('Read-only file system');

  const labels = [`${LABEL.instance}=${name}`];
  const [preview] = await docker.listContainers({ filters: { label: labels } });
  const direct = async () => {
    const asking = { host: 'x', path: '/', method: 'GET', headers: {} };
    const answer = await askPort(preview?.Ports[0]?.PublicPort ?? 0, asking);
    return answer.statusCode;
  };
  mounted.compose(['stop']);
  expect((await container.inspect()).State.ExitCode, 'SIGTERM reached it, in time').toBe(0);
  expect(await direct()).toBe(200);
  mounted.compose(['start']);
  await until('it is back', async () => (await visit(commit)).includes('Beside its pool'), 20_000);
  const { said: log } = mounted.compose(['logs']);
  expect(log.match(/phase=building/g)).toHaveLength(1);
  expect(await docker.listContainers({ filters: { label: labels } })).toHaveLength(1);

  // Another network and another list of processes, and the same data folder.
  const second = await docker.createContainer({
    Image: name,
    Cmd: ['serve', '--repository', '/nowhere'],
    HostConfig: { NetworkMode: 'none', Binds: [`${name}_data:/var/lib/pool`] },
  });
  await second.start();
  expect(await second.wait()).toMatchObject({ StatusCode: 1 });
  const told = await second.logs({ stderr: true });
  await second.remove();
  expect(String(told)).toContain('another pool serves from /var/lib/pool');
});

test('a socket of which pool is not in the group is said so, with its number', async () => {
  using repository = new GitRepository();
  await repository.commit(page('x'));
  using mounted = new Mounted(repository);
  const none = mounted.compose(['config'], { DOCKER_GID: '' });
  expect(none.said).toContain('stat -c %g /var/run/docker.sock');
  expect(none.status).not.toBe(0);
  const wrong = mounted.compose(['run', '--rm', '-T', 'pool'], { DOCKER_GID: '4711' });
  expect(wrong.said).toMatch(/permission denied: it is for the group \d+, .*--group-add \d+/);
  expect(wrong.status).toBe(1);
});
