import { randomUUID } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { expect, test } from 'vitest';
import { connectEngine, type Engine } from '../../src/engine/connect.ts';
import { instanceOf, LABEL } from '../../src/engine/labels.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, page } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

/** A container such as pool makes, and leaves where it is killed; it says `text`. */
async function leave(
  { docker }: Engine,
  instance: string,
  { repository = 'web', commit, text }: { repository?: string; commit: string; text: string },
  how: 'created' | 'running' | 'paused' = 'running',
) {
  const container = await docker.createContainer({
    name: `pool-${instance}-${randomUUID()}`,
    Image: 'busybox:latest',
    Cmd: ['sh', '-c', `echo ${text} >index.html; exec busybox httpd -f -p 3000`],
    ExposedPorts: { '3000/tcp': {} },
    HostConfig: {
      PortBindings: {
        '3000/tcp': [
          { HostIp: '127.0.0.1', HostPort: String(20_000 + Math.floor(Math.random() * 9000)) },
        ],
      },
    },
    Labels: {
      [LABEL.instance]: instance,
      [LABEL.repository]: repository,
      [LABEL.commit]: commit,
      [LABEL.port]: '3000',
      [LABEL.portRule]: 'EXPOSE 3000, the only port',
      [LABEL.build]: JSON.stringify({ reused: true }),
    },
  });
  if (how !== 'created') await container.start();
  if (how === 'paused') await container.pause();
  return container.id;
}

test('a start takes over what runs, wakes what is paused, removes what is left over, and leaves alone what it does not serve', async () => {
  using data = new TemporaryFolder();
  using repository = new GitRepository();
  const engine = await connectEngine(undefined, process.env);
  const instance = instanceOf(realpathSync(data.path));
  const twice = await repository.commit(page('Built'));
  const paused = await repository.commit(page('Built'));
  const created = await repository.commit(page('Built'));
  const gone = '0'.repeat(40);
  // A rebuild was to take the older one's place, and was killed before that.
  await leave(engine, instance, { commit: twice, text: 'the-older' });
  await leave(engine, instance, { commit: twice, text: 'the-newer' });
  const frozen = await leave(engine, instance, { commit: paused, text: 'was-paused' }, 'paused');
  await leave(engine, instance, { commit: created, text: 'never-started' }, 'created');
  const unserved = await leave(engine, instance, {
    repository: 'gone',
    commit: gone,
    text: 'gone',
  });

  await using pool = await TestPool.open([repository.path], { dataDir: data.path });
  expect((await pool.visit(twice)).text).toContain('the-older');
  expect((await pool.visit(paused)).text).toContain('was-paused');
  expect((await pool.state(paused)).state.endpoint?.containerId).toBe(frozen);
  expect(pool.count('building')).toBe(0);
  await until('the rest is removed', async () => (await pool.containers()).length === 3);
  expect((await pool.containers()).map(({ Id }) => Id)).toContain(unserved);
  expect(pool.events.filter(({ event }) => event === 'unserved')).toEqual([
    {
      event: 'unserved',
      fields: { container: unserved.slice(0, 12), repository: 'gone', commit: gone },
    },
  ]);
  expect((await pool.visit(created)).text).toContain('Built');
});

test('a container that the engine makes late, for a pool that was killed, goes again', async () => {
  using data = new TemporaryFolder();
  using repository = new GitRepository();
  const commit = await repository.commit(page('Late'));
  await using pool = await TestPool.open([repository.path], { dataDir: data.path });
  await leave(pool.engine, pool.instance, { commit, text: 'late' }, 'created');
  await until('it is removed', async () => (await pool.containers()).length === 0);
  expect((await pool.visit(commit)).text).toContain('Late');
  expect(await pool.containers()).toHaveLength(1);
});

test('an image without its names is made again from the cache', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Named again', [fresh('true')]));
  await using pool = await TestPool.open([repository.path]);
  const { docker } = pool.engine;
  const name = `pool-${pool.instance}`;
  expect((await pool.visit(commit)).text).toContain('Named again');

  const [container] = await pool.containers();
  const { RepoTags: names } = await docker.getImage(`${name}/web:${commit}`).inspect();
  for (const one of names) await docker.getImage(one).remove({ force: true });
  await docker.getContainer(container?.Id ?? '').remove({ force: true });
  await until('it is cold', async () => (await pool.state(commit)).state.phase === 'cold');
  expect((await pool.visit(commit)).text).toContain('Named again');
  const { build } = (await pool.state(commit)).state;
  expect(build, 'all but FROM, which is no step to run').toMatchObject({
    reused: false,
    steps: 4,
    cached: 3,
  });
  const filters = { label: [`${LABEL.instance}=${pool.instance}`] };
  expect(await docker.listImages({ filters })).toHaveLength(1);
});
