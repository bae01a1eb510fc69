import { mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connectEngine } from '../../src/engine/connect.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, page } from './fixtures/applications.ts';
import { OwnEngine, SmallDisk } from './fixtures/own-engine.ts';
import { PoolFolder } from './fixtures/pool-folder.ts';
import { TestPool } from './fixtures/test-pool.ts';

/** The network interfaces of this network namespace, those without a carrier too. */
const links = () => readFileSync('/proc/net/dev', 'utf8');

/** How a preview is asked for until somebody calls it off: each status once, in order. */
function statuses(pool: TestPool, commit: string) {
  const seen: number[] = [];
  const over = new AbortController();
  const done = (async () => {
    while (!over.signal.aborted) {
      const { status } = await pool.visit(commit);
      if (seen.at(-1) !== status) seen.push(status);
      await sleep(20);
    }
    return seen;
  })();
  return async () => {
    over.abort();
    return await done;
  };
}

test('an engine with live-restore and without its own relay: ready previews are served while it is away, and are the same after', async () => {
  await using engine = await OwnEngine.start(['--live-restore', '--userland-proxy=false']);
  using repository = new GitRepository();
  const ready = await repository.commit(page('Never away'));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  await pool.visit(ready);
  const before = await pool.state(ready);

  const called = statuses(pool, ready);
  engine.kill();
  await sleep(500);
  expect(await called(), 'the kernel leads to the container').toEqual([200]);
  // It writes the kernel's rules anew when it starts, which takes some milliseconds.
  await engine.start();
  await until('it answers again', async () => (await pool.visit(ready)).status === 200, 10_000);
  await sleep(1500);
  expect((await pool.state(ready)).state, 'the same container at the same port').toEqual(
    before.state,
  );
  expect([pool.count('building'), pool.count('starting')]).toEqual([1, 1]);
});

test('an engine with live-restore relays the ports itself: while it is away that is said, and then the same container answers', async () => {
  await using engine = await OwnEngine.start(['--live-restore']);
  using repository = new GitRepository();
  const ready = await repository.commit(page('Same one'));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  await pool.visit(ready);
  const before = await pool.state(ready);

  engine.kill();
  await until('the port is closed', async () => (await pool.visit(ready)).status === 502);
  const away = await pool.visit(ready, { navigation: true });
  expect([away.status, away.text]).toEqual([502, expect.stringContaining('http-equiv="refresh"')]);
  await engine.start();
  await until('it answers again', async () => (await pool.visit(ready)).status === 200, 10_000);
  await sleep(1500);
  expect((await pool.state(ready)).state).toEqual(before.state);
  expect([pool.count('building'), pool.count('starting')]).toEqual([1, 1]);
});

test('an engine without live-restore ends its containers: they start again from their images when somebody asks', async () => {
  await using engine = await OwnEngine.start();
  using repository = new GitRepository();
  // The engine waits ten seconds for one that heeds no polite signal.
  const ready = await repository.commit(page('Started again', ['STOPSIGNAL SIGKILL']));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  await pool.visit(ready);
  engine.kill();
  await engine.start();
  await until('it is cold', async () => (await pool.state(ready)).state.phase === 'cold', 20_000);
  expect((await pool.visit(ready)).text).toContain('Started again');
  expect([pool.count('building'), pool.count('starting')]).toEqual([1, 2]);
  expect(await pool.containers()).toHaveLength(1);
});

test('an engine that answers slowly holds nobody up who does not need it', async () => {
  using folder = new TemporaryFolder();
  using repository = new GitRepository();
  const ready = await repository.commit(page('Quick'));
  const slow = await repository.commit(page('Slow'));
  const socket = join(folder.path, 'slow.sock');
  const engineHost = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  await using relay = await SlowRelay.open(engineHost.replace('unix://', ''), socket);
  await using pool = await TestPool.open([repository.path], { engine: `unix://${socket}` });
  await pool.visit(ready);

  const answer = relay.silence();
  const waiting = await pool.visit(slow, { navigation: true });
  expect(waiting.status, 'the waiting page comes before any answer').toBe(503);
  const held = pool.visit(slow);
  for (let visit = 0; visit < 20; visit++)
    expect((await pool.visit(ready)).status, 'ready ones do not ask the engine').toBe(200);
  relay.delayMs = 100;
  answer();
  expect((await held).text).toContain('Slow');
  expect([pool.count('building'), pool.count('ready')]).toEqual([2, 2]);
});

test("an engine of pool's own takes the bridges of its networks along when it is stopped", async () => {
  const bridge = async () => {
    await using engine = await OwnEngine.start();
    const { docker } = await connectEngine(engine.host, process.env);
    const { id } = await docker.createNetwork({ Name: 'left', Driver: 'bridge' });
    const name = `br-${id.slice(0, 12)}`;
    expect(links(), 'while it runs').toContain(name);
    return name;
  };
  const name = await bridge();
  expect(links()).not.toContain(name);
});

test("the bridge of an engine of pool's own keeps its address while containers come and go", async () => {
  await using engine = await OwnEngine.start();
  const { docker } = await connectEngine(engine.host, process.env);
  const [network] = await docker.listNetworks({ filters: { name: ['bridge'] } });
  const bridge = network?.Options?.['com.docker.network.bridge.name'] ?? '';
  const address = () => networkInterfaces()[bridge]?.[0]?.mac;
  const seen = new Set<string | undefined>();
  // It would take the lowest address of these, which are made by chance.
  for (let left = 3; left > 0; left--) {
    const container = await docker.createContainer({
      Image: 'busybox:latest',
      Cmd: ['sleep', '60'],
    });
    await container.start();
    seen.add(address());
    await container.remove({ force: true });
  }
  expect([...seen]).toEqual([expect.stringMatching(/^02:42:/)]);
});

test('an engine whose disk is full says so, serves on, and goes on by itself when there is room', async () => {
  await using engine = await OwnEngine.start([], { size: '48m' });
  using repository = new GitRepository();
  const ready = await repository.commit(page('Ready on a full disk'));
  const later = await repository.commit({ ...page('Later'), weight: Buffer.alloc(2 ** 20, 'x') });
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  await pool.visit(ready);
  {
    using _ = engine.disk?.fill();
    const refused = await pool.visit(later);
    expect([refused.status, JSON.parse(refused.text)]).toEqual([
      502,
      expect.objectContaining({
        code: 'disk-full',
        detail: expect.stringContaining("engine's disk is full"),
      }),
    ]);
    expect((await pool.visit(ready)).text).toContain('Ready on a full disk');
  }
  expect((await pool.visit(later)).text).toContain('Later');
  expect(await pool.containers()).toHaveLength(2);
});

test('a rebuild during which the disk fills up says so, what was there serves on, and it heals when there is room', async () => {
  await using engine = await OwnEngine.start([], { size: '48m' });
  using repository = new GitRepository();
  const weigh = fresh('sleep 0.4 && dd if=/dev/zero of=/weight bs=1000 count=2000');
  const ready = await repository.commit(page('Serves on', [weigh]));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  const rebuilding = async () => (await pool.state(ready)).state.rebuild?.phase;
  const there = async () => {
    const images = await pool.engine.docker.listImages();
    return [await pool.containers(), images].map((all) => all.map(({ Id }) => Id).toSorted());
  };
  const rebuild = { path: '/_pool/rebuild?pull=no', method: 'POST' };
  await pool.visit(ready);
  const before = await there();
  {
    await pool.visit(ready, rebuild);
    await until('it builds', async () => (await rebuilding()) === 'building', 10_000);
    using _ = engine.disk?.fill();
    await until('it failed', async () => (await rebuilding()) === 'failed', 20_000);
    expect((await pool.visit(ready)).text).toContain('Serves on');
    const told = await pool.visit(ready, { path: '/_pool/', headers: { accept: 'text/html' } });
    expect(told.text).toMatch(/what was there serves on[^]*disk is full[^]*docker system df/);
    expect(await there(), 'nothing is left').toEqual(before);
  }
  await pool.visit(ready, rebuild);
  await until('it is rebuilt', async () => (await rebuilding()) === undefined, 20_000);
  expect((await pool.visit(ready)).text).toContain('Serves on');
  const count = async () => (await there()).map((all) => all.length).join();
  await until('the old ones are gone', async () => (await count()) === '1,2');
  expect(await there()).not.toEqual(before);
});

test('a data folder on a full disk costs logs and history, and no preview', async () => {
  using folder = new TemporaryFolder();
  using disk = new SmallDisk(join(folder.path, 'data'), '2m');
  using repository = new GitRepository();
  const ready = await repository.commit(page('Ready on a full disk'));
  const later = await repository.commit(page('Later', [fresh('echo a line of the log')]));
  const settings = { dataDir: disk.path, refreshMs: 1000 };
  await using pool = await TestPool.open([repository.path], settings);
  await pool.visit(ready);
  using full = disk.fill();
  expect((await pool.visit(later)).text, 'the build needs no file of pool').toContain('Later');
  expect((await pool.visit(later, { path: '/_pool/log' })).text).toContain('a line of the log');
  expect((await pool.state(later)).state.phase).toBe('ready');
  expect((await pool.visit(ready)).text).toContain('Ready on a full disk');
  const lost = pool.events.filter(({ event }) => event === 'history-lost');
  expect(lost).toHaveLength(1);

  full[Symbol.dispose]();
  // The history is left alone for a second after it was lost.
  await sleep(1100);
  const last = await repository.commit(page('Last'));
  await until(
    'the new commit is known',
    async () => (await pool.visit(last)).text.includes('Last'),
    20_000,
  );
  expect((await pool.state(last)).happened.map(({ what }) => what)).toContain('ready');
});

test('a pool starts on a full disk as well, and serves what was ready', async () => {
  using folder = new TemporaryFolder();
  using disk = new SmallDisk(join(folder.path, 'data'), '2m');
  using repository = new GitRepository();
  const ready = await repository.commit(page('Ready on a full disk'));
  await using served = await PoolFolder.open(repository.path, disk.path);
  {
    await using pool = await served.serve();
    expect((await served.visit(ready)).text).toContain('Ready on a full disk');
    await pool.end('SIGTERM');
  }
  {
    using _ = disk.fill();
    await using pool = await served.serve();
    expect((await served.visit(ready)).text).toContain('Ready on a full disk');
    expect(pool.errors).not.toContain('phase=building');
    await pool.end('SIGTERM');
  }
  // What a fetch of a repository left that is served no longer.
  const packs = join('mirrors', 'gone.git', 'objects', 'pack');
  mkdirSync(join(disk.path, packs), { recursive: true });
  disk.fill(join(packs, 'tmp_pack_x'));
  await using _ = await served.serve();
  expect((await served.visit(ready)).text).toContain('Ready on a full disk');
  expect(statfsSync(disk.path).bavail, 'what was half-fetched made room').toBeGreaterThan(100);
});

/** Stands before an engine's socket, and keeps each first answer back: for a while, or until it is told. */
class SlowRelay implements AsyncDisposable {
  delayMs = 0;
  #silence = Promise.resolve();
  readonly #server = createServer((client) => {
    const engine = connect({ path: this.#engine });
    client.pipe(engine);
    engine.once('readable', () => void this.#wait().then(() => engine.pipe(client)));
    client.on('error', () => engine.destroy()).once('close', () => engine.destroy());
    engine.on('error', () => client.destroy()).once('close', () => client.destroySoon());
  });
  readonly #engine: string;

  private constructor(engine: string) {
    this.#engine = engine;
  }

  static async open(engine: string, socket: string): Promise<SlowRelay> {
    const relay = new SlowRelay(engine);
    const { promise, resolve } = Promise.withResolvers<void>();
    relay.#server.listen({ path: socket }, resolve);
    await promise;
    return relay;
  }

  /** No answer passes until what it returns is called. */
  silence(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#silence = promise;
    return resolve;
  }

  async #wait(): Promise<void> {
    await this.#silence;
    await sleep(this.delayMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await sleep(0);
  }
}
