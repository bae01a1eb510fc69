import { beforeAll, describe, expect, test } from 'vitest';
import { removeInstance } from '../../src/engine/remove-instance.ts';
import { Containers } from '../../src/run/containers.ts';
import { HostPorts } from '../../src/run/host-ports.ts';
import { askHttp } from '../../src/run/probe.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { NEVER, until } from '../unit/fixtures/until.ts';
import { type Application, node, page } from './fixtures/applications.ts';
import { sharedPool } from './fixtures/shared-pool.ts';
import { TestPool } from './fixtures/test-pool.ts';

const ALLOWANCE = { publishOn: '127.0.0.1', memoryBytes: 2 ** 28, processes: 64, capabilities: [] };

/** Listens where it is told, and says so; knows its environment. */
function listener(listens: readonly string[], dockerfile: readonly string[] = []): Application {
  const servers = listens.map(
    (where) =>
      `http.createServer((_, response) => response.end('at ' + ${where} + ', PORT=' + process.env.PORT)).listen(${where});`,
  );
  return node(`const http = require('node:http');\n${servers.join('\n')}`, dockerfile);
}

async function open(files: Application, settings: Parameters<typeof TestPool.open>[1] = {}) {
  const repository = new GitRepository();
  const commit = await repository.commit(files);
  const pool = await TestPool.open([repository.path], settings);
  return {
    pool,
    commit,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
    },
  };
}

describe('the port that answers is', () => {
  const shared = sharedPool({
    "the label's, of all that are published": listener(
      ['3000', '9999'],
      ['EXPOSE 3000', 'LABEL dev.pool.port=9999'],
    ),
    "PORT's of the image": listener(['process.env.PORT'], ['ENV PORT=4321']),
    'the only one EXPOSEd': listener(['7777'], ['EXPOSE 7777']),
    'the likeliest of a range': listener(['3000', '3005'], ['EXPOSE 3000-3005']),
    '8080, where an image says nothing and listens on PORT': listener(['process.env.PORT']),
    'a usual one, where an image says nothing and does not know PORT': listener(['5000']),
    'an unusual one, found by looking where it listens': listener(['4567']),
  });

  test.each([
    [
      "the label's, of all that are published",
      'at 9999, PORT=9999',
      'LABEL dev.pool.port=9999',
      [3000, 9999],
    ],
    ["PORT's of the image", 'at 4321, PORT=4321', 'PORT=4321 of the image', [4321]],
    ['the only one EXPOSEd', 'at 7777, PORT=7777', 'EXPOSE 7777, the only port', [7777]],
    [
      'the likeliest of a range',
      'at 3000, PORT=3000',
      'EXPOSE 3000, the likeliest of 3000, 3001, 3002, 3003, 3004, 3005',
      [3000, 3001, 3002, 3003, 3004, 3005],
    ],
    [
      '8080, where an image says nothing and listens on PORT',
      'at 8080, PORT=8080',
      'nothing is EXPOSEd, so PORT=8080 was set',
      [80, 3000, 5000, 8000, 8080],
    ],
    [
      'a usual one, where an image says nothing and does not know PORT',
      'at 5000, PORT=8080',
      '5000 answered HTTP, 8080 did not (nothing is EXPOSEd, so PORT=8080 was set)',
      [80, 3000, 5000, 8000, 8080],
    ],
    [
      'an unusual one, found by looking where it listens',
      'at 4567, PORT=8080',
      '4567 was found listening, and nothing is EXPOSEd',
      [80, 3000, 4567, 5000, 8000, 8080],
    ],
  ] as const)('%s', async (name, text, portRule, published) => {
    const { pool, commits } = shared;
    const commit = commits[name];
    expect((await pool.visit(commit)).text).toBe(text);
    const { endpoint } = (await pool.state(commit)).state;
    expect(endpoint?.portRule).toBe(portRule);
    expect(Object.keys(endpoint?.published ?? {}).map(Number)).toEqual(published);
    const shown = await pool.visit(commit, { path: '/_pool/', navigation: true });
    expect(shown.text).toContain(portRule);
    expect(await pool.containers(commit), 'one container is left').toHaveLength(1);
  });
});

test('an address names any published port; another one leads to the list of them', async () => {
  await using opened = await open(listener(['3000', '3005'], ['EXPOSE 3000-3005']));
  const { pool, commit } = opened;
  expect((await pool.visit('main---3005')).text).toBe('at 3005, PORT=3000');
  expect((await pool.visit(`${commit}---3000`)).text).toBe('at 3000, PORT=3000');

  const data = await pool.visit('main---4000');
  expect([data.status, JSON.parse(data.text)]).toMatchObject([
    404,
    {
      title: 'No such port',
      choices: [{ name: 'port 3000', label: 'main---3000' }, {}, {}, {}, {}, {}],
    },
  ]);
  const shown = await pool.visit('main---4000', { navigation: true });
  expect(shown.status).toBe(404);
  for (const port of [3000, 3001, 3005]) {
    expect(shown.text).toContain(`href="//main---${port}.${pool.site}/"`);
  }
});

describe('an application that answers nowhere is told where it listens', () => {
  const shared = sharedPool(
    {
      'on loopback alone': node(`require('node:http').createServer().listen(3000, '127.0.0.1')`),
      'on loopback alone, where nothing is EXPOSEd': node(
        `require('node:http').createServer().listen(4567, '127.0.0.1')`,
        [],
      ),
      'on another port than the image EXPOSEs': listener(['4567'], ['EXPOSE 3000']),
      'without HTTP': node(`require('node:net').createServer((s) => s.end('hello')).listen(3000)`),
    },
    { startTimeoutMs: 4000 },
  );
  // All at once: each has to wait for its end.
  beforeAll(async () => {
    const { pool, commits } = shared;
    await Promise.all(Object.values(commits).map(async (commit) => await pool.visit(commit)));
  });

  test.each([
    ['on loopback alone', 'It listens on 127.0.0.1:3000 only.', 'Let it listen on 0.0.0.0'],
    [
      'on loopback alone, where nothing is EXPOSEd',
      'It listens on 127.0.0.1:4567 only.',
      'Let it listen on 0.0.0.0',
    ],
    [
      'on another port than the image EXPOSEs',
      'It listens on 4567, which the image does not EXPOSE.',
      'EXPOSE 4567 in the Dockerfile',
    ],
    ['without HTTP', 'It listens on 3000, and answers no HTTP there.', 'Let it speak HTTP there'],
  ] as const)('%s', async (name, words, next) => {
    const { pool, commits } = shared;
    const commit = commits[name];
    expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({
      code: 'no-answer',
      detail: expect.stringContaining(words),
      next: expect.stringContaining(next),
    });
    expect((await pool.visit(commit, { navigation: true })).text).toContain(words);
    expect(await pool.containers(commit)).toHaveLength(0);
  });
});

const CHECKED = (check: string) => [
  'EXPOSE 3000',
  `HEALTHCHECK --interval=300ms --timeout=2s --retries=1 CMD ${check}`,
];

test('a HEALTHCHECK that turns unhealthy before the first answer fails the preview with its words', async () => {
  const silent = node('setInterval(() => {}, 1000)', CHECKED('echo the database is away; exit 1'));
  await using opened = await open(silent, { startTimeoutMs: 30_000 });
  const { pool, commit } = opened;
  expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({
    code: 'unhealthy',
    detail: expect.stringContaining('it said: the database is away'),
  });
  expect(await pool.containers()).toHaveLength(0);
});

test('a HEALTHCHECK that turns unhealthy later is shown, and nobody is sent away', async () => {
  const files = listener(['3000'], CHECKED('test ! -e /tmp/ill || (echo feeling ill; exit 1)'));
  await using opened = await open(files);
  const { pool, commit } = opened;
  expect((await pool.visit(commit)).status).toBe(200);
  const health = async () => (await pool.state(commit)).state.health;
  await until('it is healthy', async () => (await health())?.status === 'healthy', 5000);
  const [container] = await pool.containers();
  const exec = await pool.engine.docker
    .getContainer(container?.Id ?? '')
    .exec({ Cmd: ['touch', '/tmp/ill'] });
  await exec.start({ Detach: true });
  await until('it is unhealthy', async () => (await health())?.status === 'unhealthy', 5000);
  expect(await health()).toEqual({ status: 'unhealthy', output: 'feeling ill' });
  expect((await pool.visit(commit, { path: '/_pool/', navigation: true })).text).toContain(
    'unhealthy: feeling ill',
  );
  expect((await pool.visit(commit)).status).toBe(200);
});

test("labels of a Dockerfile are never taken for pool's own", async () => {
  const labels = [
    'instance=strange',
    `commit=${'f'.repeat(40)}`,
    'repository=other',
    'port-rule=mine',
    'port=3000',
    `build='{"reused":true}'`,
  ];
  const files = listener(
    ['3000'],
    labels.map((label) => `LABEL dev.pool.${label}`),
  );
  await using opened = await open(files);
  const { pool, commit } = opened;
  expect((await pool.visit(commit)).status).toBe(200);
  const [own] = await pool.containers();
  const { docker } = pool.engine;
  const { Config, Image } = await docker.getContainer(own?.Id ?? '').inspect();
  expect(Config.Labels).toMatchObject({
    'dev.pool.instance': pool.instance,
    'dev.pool.commit': commit,
    'dev.pool.repository': 'web',
    'dev.pool.port-rule': 'LABEL dev.pool.port=3000',
  });

  // Somebody runs the image by hand: the engine gives it the labels of the image.
  const byHand = await docker.createContainer({ Image });
  const ports = new HostPorts({ first: 30_000, last: 30_001 });
  const found = await new Containers(pool.engine, pool.instance, ports, ALLOWANCE).list();
  expect(
    found.map(({ id }) => id),
    'what was run by hand is not counted',
  ).toEqual([own?.Id]);
  await byHand.remove({ force: true });
});

test('the ports of the host survive a stop and a start of the container', async () => {
  await using opened = await open(page('Same place'));
  const { pool, commit } = opened;
  await pool.visit(commit);
  const [first] = await pool.containers();
  const { Image } = await pool.engine.docker.getContainer(first?.Id ?? '').inspect();
  // Of another instance, so that pool has no hand in it.
  const ports = new HostPorts({ first: 30_000, last: 30_099 });
  const image = { id: Image, build: { reused: true } } as const;
  const request = { image, name: `pool-hand-${commit}`, repository: 'web', commit };
  const containers = new Containers(pool.engine, 'hand', ports, ALLOWANCE);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => await removeInstance(pool.engine, 'hand'));
  await using started = await containers.start({ ...request, environment: {} }, NEVER);
  const { containerId, host, published } = started.endpoint;
  const handle = pool.engine.docker.getContainer(containerId);
  await handle.stop({ t: 0 });
  await handle.start();
  const asked = async () => await askHttp({ host, port: published[3000] ?? 0 }, 'x', NEVER);
  await until('it answers', async () => (await asked()) !== undefined, 5000);
  expect(await asked()).toBeDefined();
});
