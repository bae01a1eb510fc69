import { expect, test } from 'vitest';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { page } from './fixtures/applications.ts';
import { OtherMachine } from './fixtures/other-machine.ts';
import { OwnEngine } from './fixtures/own-engine.ts';
import { TestPool } from './fixtures/test-pool.ts';

test('an engine on another machine builds and runs, and its ports are dialled at the address that it publishes them on', async () => {
  using machine = await OtherMachine.start();
  const { address: publishOn } = machine;
  const host = `tcp://${publishOn}:2375`;
  await using _ = await OwnEngine.start([`--host=${host}`, '--tls=false'], {
    prefix: machine.prefix,
  });
  using repository = new GitRepository();
  const commit = await repository.commit(page('From elsewhere'));
  await expect(TestPool.open([repository.path], { engine: host })).rejects.toThrow(
    'is on another machine',
  );
  const settings = { engine: host, publishOn, instance: 'elsewhere' };
  await using pool = await TestPool.open([repository.path], settings);
  expect((await pool.visit(commit)).text).toContain('From elsewhere');
  expect((await pool.state(commit)).state.endpoint).toMatchObject({ host: publishOn });
  expect(pool.events, 'who reaches them as well is said').toContainEqual({
    event: 'exposed',
    fields: { words: expect.stringContaining(`whoever reaches ${publishOn}`) as string },
  });
  const containers = await pool.containers();
  expect(containers, 'they carry the instance of the configuration').toHaveLength(1);
});
