import { describe, expect, test } from 'vitest';
import { connectEngine } from '../../src/engine/connect.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, page } from './fixtures/applications.ts';
import { PoolProcess } from './fixtures/pool-process.ts';
import { Registry } from './fixtures/registry.ts';
import { TestPool } from './fixtures/test-pool.ts';

const rebuild = { path: '/_pool/rebuild', method: 'POST' };

/** Says the version of its base, and a number that each run of the step makes anew; ends where it is told to. */
const application = (base: string) => ({
  Dockerfile: [
    `FROM ${base}`,
    'WORKDIR /www',
    'RUN cp /version . && tr -dc a-f0-9 < /dev/urandom | head -c 16 > number',
    'EXPOSE 3000',
    'CMD grep -q broken version && exit 3 || exec busybox httpd -f -p 3000 -h /www',
  ].join('\n'),
});

/** What became of a rebuild, once it is over. */
async function rebuilt(pool: TestPool, ref: string) {
  let last: Awaited<ReturnType<TestPool['state']>> | undefined;
  await until(
    'the rebuild is over',
    async () => {
      last = await pool.state(ref);
      const { phase, rebuild: how } = last.state;
      return phase === 'ready' && (how === undefined || how.phase === 'failed');
    },
    20_000,
  );
  return last;
}

/** By name, and those that lost theirs. */
async function imagesOf(pool: TestPool): Promise<number> {
  const reference = [`pool-${pool.instance}/*`];
  const named = await pool.engine.docker.listImages({ filters: { reference } });
  const filters = { label: [`dev.pool.instance=${pool.instance}`] };
  const labelled = await pool.engine.docker.listImages({ filters });
  return new Set([...named, ...labelled].map(({ Id }) => Id)).size;
}

describe.each(['buildkit', 'classic'] as const)('with the %s builder', (builder) => {
  test('a base image that moved is picked up by rebuild, and by nothing else', async () => {
    using repository = new GitRepository();
    await using registry = await Registry.open(await connectEngine(undefined, process.env));
    await registry.move('one');
    const commit = await repository.commit(application(registry.image));
    const same = await repository.commit({});
    await using pool = await TestPool.open([repository.path], { builder });
    const version = async (ref: string) => (await pool.visit(ref, { path: '/version' })).text;
    const number = async (ref: string) => (await pool.visit(ref, { path: '/number' })).text;
    expect(await version(commit)).toBe('one');
    const before = await number(commit);
    const image = pool.engine.docker.getImage(`pool-${pool.instance}/web:${commit}`);
    const { Id: old } = await image.inspect();

    await registry.move('two');
    expect(await version(same), 'what a registry decides is no part of a recipe').toBe('one');
    const asked = await pool.visit(same, rebuild);
    expect([asked.status, asked.headers.location]).toEqual([303, '/_pool/']);
    expect((await rebuilt(pool, same))?.state).not.toHaveProperty('rebuild');
    expect(await version(same)).toBe('two');
    expect(await number(same), 'no step came from the cache').not.toBe(before);
    expect(await number(commit), 'nobody else is touched').toBe(before);
    const left = async () => [(await pool.containers()).length, await imagesOf(pool)].join();
    await until('the old container is removed', async () => (await left()) === '2,2');

    await pool.visit(commit, rebuild);
    await rebuilt(pool, commit);
    expect(await version(commit)).toBe('two');
    await until('both old ones are, and their images', async () => (await left()) === '2,2');
    // An image of the classic builder has lost its names, by which it is counted, a moment before.
    const there = async () =>
      (await pool.engine.docker.listImages({ all: true })).map(({ Id }) => Id);
    await until('the old image is gone', async () => !(await there()).includes(old));
  });

  test('what is there serves while it is rebuilt, and serves on where the build or the start fails', async () => {
    using repository = new GitRepository();
    await using registry = await Registry.open(await connectEngine(undefined, process.env));
    await registry.move('one');
    const commit = await repository.commit(application(registry.image));
    await using pool = await TestPool.open([repository.path], { builder });
    const version = async () => (await pool.visit(commit, { path: '/version' })).text;
    expect(await version()).toBe('one');
    const before = await pool.containers();

    await registry.move('broken');
    const heard = new Set<string>();
    await pool.visit(commit, rebuild);
    const done = rebuilt(pool, commit);
    const over = new AbortController();
    void done.then(() => over.abort());
    while (!over.signal.aborted) heard.add(await version());
    expect([...heard], 'no visitor notices').toEqual(['one']);
    const failed = { phase: 'failed', failure: { code: 'exited' } };
    expect(await done).toMatchObject({ state: { rebuild: failed } });
    const told = await pool.visit(commit, { path: '/_pool/', headers: { accept: 'text/html' } });
    expect(told.text).toMatch(/rebuild failed, what was there serves on[^]*exited with code 3/);
    expect(await imagesOf(pool), 'the image that never answered is removed').toBe(1);

    await registry[Symbol.asyncDispose]();
    await pool.visit(commit, rebuild);
    const refused = { phase: 'failed', failure: { code: 'base-image' } };
    const last = await rebuilt(pool, commit);
    expect(last).toMatchObject({ state: { rebuild: refused } });
    expect(last?.happened.slice(0, 4)).toMatchObject([
      { what: 'failed', serving: true },
      { what: 'building' },
      { what: 'queued' },
      { what: 'rebuilding' },
    ]);
    expect(await version()).toBe('one');
    expect((await pool.containers()).map(({ Id }) => Id)).toEqual(before.map(({ Id }) => Id));
  });

  test('a base image that is only in the engine is built on without asking a registry', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(application('busybox:latest\nRUN touch /version'));
    await using pool = await TestPool.open([repository.path], { builder });
    const before = (await pool.visit(commit, { path: '/number' })).text;
    await pool.visit(commit, { ...rebuild, path: '/_pool/rebuild?pull=no' });
    await rebuilt(pool, commit);
    const after = await pool.visit(commit, { path: '/number' });
    expect([after.status, after.text === before]).toEqual([200, false]);
  });
});

test('a rebuild is refused while the preview is being made, and to other sites', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Busy', [fresh('sleep 2')]));
  await using pool = await TestPool.open([repository.path]);
  await pool.visit(commit, { navigation: true });
  expect((await pool.visit(commit, rebuild)).status).toBe(409);
  const foreign = { ...rebuild, headers: { origin: 'http://elsewhere.example' } };
  expect((await pool.visit(commit, foreign)).status).toBe(403);
  expect((await pool.visit(commit, { path: '/_pool/rebuild' })).status).toBe(405);
  expect((await pool.visit(commit)).text).toContain('Busy');
  expect(pool.count('building')).toBe(1);
});

test('a rebuild whose old container dies goes on, with visitors waiting for it; one that is stopped takes all along', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Rebuilt', [fresh('sleep 2')]));
  await using pool = await TestPool.open([repository.path]);
  expect((await pool.visit(commit)).text).toContain('Rebuilt');
  const again = { ...rebuild, path: '/_pool/rebuild?pull=no' };
  const builds = async () => (await pool.state(commit)).state.rebuild?.phase === 'building';

  await pool.visit(commit, again);
  await until('it builds', builds, 10_000);
  const [old] = await pool.containers();
  await pool.engine.docker.getContainer(old?.Id ?? '').kill();
  await until('nothing serves', async () => (await pool.state(commit)).state.phase !== 'ready');
  expect((await pool.visit(commit)).text).toContain('Rebuilt');
  const [only, ...others] = await pool.containers();
  expect([only?.Id === old?.Id, others.length, pool.count('building')]).toEqual([false, 0, 2]);

  const begun = async () => (await pool.visit(commit, again)).status === 303;
  await until('the one before has cleared up', begun);
  await until('it builds', builds, 10_000);
  await PoolProcess.run(['stop', commit, '--data-dir', pool.dataDir]);
  expect([await pool.containers(), await imagesOf(pool)]).toEqual([[], 1]);
  expect((await pool.visit(commit)).text, 'from the image that is there').toContain('Rebuilt');
  expect(pool.count('building')).toBe(2);
});
