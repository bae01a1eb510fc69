import { afterAll, beforeAll, expect, test } from 'vitest';
import { reaches } from '../../src/cli/check-engine.ts';
import { LABEL } from '../../src/engine/labels.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { page } from './fixtures/applications.ts';
import { OwnEngine } from './fixtures/own-engine.ts';
import { PoolProcess } from './fixtures/pool-process.ts';
import { TestPool } from './fixtures/test-pool.ts';

// An engine as its package sets it up: containers on its own network reach one another.
let engine: OwnEngine;
beforeAll(async () => {
  engine = await OwnEngine.start(['--icc=true']);
});
afterAll(async () => await engine[Symbol.asyncDispose]());

test('previews get a network of their own, on which they do not reach one another', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Apart'));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  expect((await pool.visit(commit)).text).toContain('Apart');
  const { endpoint } = (await pool.state(commit)).state;
  const container = pool.engine.docker.getContainer(endpoint?.containerId ?? '');
  const { NetworkSettings } = await container.inspect();
  expect(Object.keys(NetworkSettings.Networks)).toEqual([`pool-${pool.instance}`]);
  expect(await isolation(pool)).toMatchObject({
    state: 'ok',
    words: `tried: one container does not reach another on pool-${pool.instance}`,
  });
  expect(await reaches(pool.engine, pool.instance, 'bridge'), 'the trial would notice').toBe(true);
});

test('two networks of one name become one', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('One network'));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  const network = networkOf(pool);
  await pool.engine.docker.createNetwork(network);
  // Engines from 25 on refuse the second, which mends it as well.
  await pool.engine.docker.createNetwork(network).catch(() => {});
  expect((await pool.visit(commit)).text).toContain('One network');
  const filters = { name: [network.Name] };
  const networks = async () => await pool.engine.docker.listNetworks({ filters });
  await until('one network is left', async () => (await networks()).length === 1);
});

test("a network of pool's on which containers reach one another is told of, with what to do", async () => {
  using repository = new GitRepository();
  await repository.commit(page('Open'));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  const network = networkOf(pool);
  await pool.engine.docker.createNetwork(network);
  expect(await isolation(pool)).toMatchObject({
    state: 'bad',
    next: expect.stringContaining(`docker network rm ${network.Name}`),
  });
});

function networkOf({ instance }: TestPool) {
  const Labels = { [LABEL.instance]: instance };
  return { Name: `pool-${instance}`, Driver: 'bridge', CheckDuplicate: false, Labels };
}

/** What `pool doctor` finds of it. */
async function isolation({ dataDir, port }: TestPool): Promise<object | undefined> {
  const where = ['--data-dir', dataDir, '--listen', `127.0.0.1:${port}`];
  const { output } = await PoolProcess.run(['doctor', '--json', ...where], {
    env: { DOCKER_HOST: engine.host },
  });
  const findings = JSON.parse(output) as { about: string }[];
  return findings.find(({ about }) => about === 'isolation');
}
