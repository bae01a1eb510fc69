import { describe, expect, test } from 'vitest';
import { connectEngine } from '../../src/engine/connect.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, page } from './fixtures/applications.ts';
import { Registry } from './fixtures/registry.ts';
import { TestPool } from './fixtures/test-pool.ts';

const rebuild = { path: '/_pool/rebuild', method: 'POST' };

/** Says the version of its base, and a number that each run of the step makes anew. */
const application = (base: string) => ({
  Dockerfile: [
    `FROM ${base}`,
    'WORKDIR /www',
    'RUN cp /version . && tr -dc a-f0-9 < /dev/urandom | head -c 16 > number',
    'EXPOSE 3000',
    'CMD ["busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]',
  ].join('\n'),
});

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
    const { Id: old } = await pool.engine.docker
      .getImage(`pool-${pool.instance}/web:${commit}`)
      .inspect();

    await registry.move('two');
    expect(await version(same), 'what a registry decides is no part of a recipe').toBe('one');
    const asked = await pool.visit(same, rebuild);
    expect([asked.status, asked.headers.location]).toEqual([303, '/_pool/']);
    expect(await version(same)).toBe('two');
    expect(await number(same), 'no step came from the cache').not.toBe(before);
    expect(await number(commit), 'nobody else is touched').toBe(before);
    expect(await pool.containers()).toHaveLength(2);

    await pool.visit(commit, rebuild);
    expect(await version(commit)).toBe('two');
    const gone = pool.engine.docker.getImage(old).inspect();
    await expect(gone, 'nothing leads to it').rejects.toMatchObject({ statusCode: 404 });
  });

  test('a rebuild that fails shows its failure and no older image, until a retry succeeds', async () => {
    using repository = new GitRepository();
    await using registry = await Registry.open(await connectEngine(undefined, process.env));
    await registry.move('one');
    const commit = await repository.commit(application(registry.image));
    await using pool = await TestPool.open([repository.path], { builder });
    expect((await pool.visit(commit, { path: '/version' })).text).toBe('one');
    const gone = registry[Symbol.asyncDispose]();
    await gone;
    await pool.visit(commit, rebuild);
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({ code: 'base-image' });
      expect(await pool.containers()).toHaveLength(0);
      await pool.visit(commit, { path: '/_pool/retry', method: 'POST' });
    }
    await until('the last attempt is over', () => pool.count('failed') === 3, 10_000);
  });

  test('a base image that is only in the engine is built on without asking a registry', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(application('busybox:latest\nRUN touch /version'));
    await using pool = await TestPool.open([repository.path], { builder });
    const before = (await pool.visit(commit, { path: '/number' })).text;
    await pool.visit(commit, { ...rebuild, path: '/_pool/rebuild?pull=no' });
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
