import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { LABEL } from '../../src/engine/labels.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { page } from './fixtures/applications.ts';
import { MarkedSleep } from './fixtures/marked-sleep.ts';
import { OwnEngine } from './fixtures/own-engine.ts';
import { PoolFolder } from './fixtures/pool-folder.ts';
import { PoolProcess } from './fixtures/pool-process.ts';
import { TestPool } from './fixtures/test-pool.ts';

describe('a pool that comes back', () => {
  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'after %s serves what was ready without a build, at once',
    async (signal) => {
      using repository = new GitRepository();
      const ready = await repository.commit(page('Still here'));
      const step = new MarkedSleep(3);
      const building = await repository.commit(page('Cut off', [`RUN ${step.command}`]));
      await using folder = await PoolFolder.open(repository.path);
      const waiting = {
        SIGKILL: [5, expect.stringContaining('The pool ended before its answer did')],
        SIGTERM: [1, expect.stringContaining('Pool stopped this work before it was done')],
      };

      {
        await using pool = await folder.serve();
        expect((await folder.visit(ready)).text).toContain('Still here');
        expect(
          (await folder.visit(building, { accept: 'text/html' })).status,
          'a build is under way',
        ).toBe(503);
        const waited = PoolProcess.run(['wait', building, '--data-dir', folder.path]);
        await until('the build runs', () => step.runs, 10_000);
        await until('somebody waits for it', () => connectionsTo(folder.path) === 1, 10_000);
        // Between its connection and its request.
        await sleep(100);
        expect(await pool.end(signal)).toBe(signal === 'SIGKILL' ? 'SIGKILL' : 0);
        const { code, errors } = await waited;
        expect([code, errors], 'who waits is told').toEqual(waiting[signal]);
      }

      const begun = Date.now();
      await using pool = await folder.serve();
      expect(Date.now() - begun - pool.waitedMs, 'its own time').toBeLessThan(5000);
      expect(
        await folder.visit(ready, { accept: 'text/html' }),
        'no waiting page, no build',
      ).toMatchObject({
        status: 200,
        text: expect.stringContaining('Still here'),
      });
      expect(pool.errors).not.toContain('phase=building');
      const told = await folder.visit(ready, { path: '/_pool/', accept: 'application/json' });
      const { happened } = JSON.parse(told.text) as { happened: { what: string }[] };
      expect(happened.map(({ what }) => what)).toEqual([
        'ready',
        'found',
        'ready',
        'starting',
        'building',
        'queued',
      ]);
      expect((await folder.visit(building)).text, 'what was being made is made again').toContain(
        'Cut off',
      );
      const filters = { label: [`${LABEL.instance}=${folder.instance}`] };
      expect(await folder.engine.docker.listContainers({ all: true, filters })).toHaveLength(2);
      expect(await pool.end('SIGTERM')).toBe(0);
    },
  );
});

test('an engine that goes away in the middle of a build is named, and all heals when it is back', async () => {
  await using engine = await OwnEngine.start();
  using repository = new GitRepository();
  // The engine waits ten seconds for one that heeds no polite signal.
  const ready = await repository.commit(page('Ready before', ['STOPSIGNAL SIGKILL']));
  const step = new MarkedSleep(2);
  const commit = await repository.commit(page('In the middle', [`RUN ${step.command}`]));
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  expect((await pool.visit(ready)).text).toContain('Ready before');

  const held = pool.visit(commit);
  await until('the build runs', () => step.runs, 10_000);
  engine.kill();
  const lost = JSON.parse((await held).text) as { code: string; detail: string };
  expect(lost).toMatchObject({ code: 'engine-lost', detail: expect.stringContaining('went away') });
  const away = await pool.visit(commit, { navigation: true });
  expect([away.status, away.text]).toEqual([
    502,
    expect.stringContaining('engine does not answer'),
  ]);
  expect((await pool.visit('')).status, 'the strip does not need an engine').toBe(200);

  await engine.start();
  await until(
    'what was ready is back',
    async () => (await pool.visit(ready)).text.includes('Ready before'),
    20_000,
  );
  expect((await pool.visit(commit)).text).toContain('In the middle');
  await until(
    'the ended ones are removed',
    async () => (await pool.containers()).length === 2,
    15_000,
  );
});

test('the first request that a pool accepts after a kill is answered by the commit that it names', async () => {
  using repository = new GitRepository();
  await using folder = await PoolFolder.open(repository.path);
  const commits = [];
  for (const name of ['one', 'two', 'three']) commits.push(await repository.commit(page(name)));
  {
    await using pool = await folder.serve();
    for (const commit of commits) await folder.visit(commit);
    await pool.end('SIGKILL');
  }
  await using again = folder.begin();
  const firsts = commits.map(async (commit) => {
    for (;;) {
      const answer = await folder.visit(commit).catch(() => undefined);
      if (answer !== undefined) return answer;
    }
  });
  expect(await Promise.all(firsts)).toEqual(
    ['one', 'two', 'three'].map((name) => ({
      status: 200,
      text: expect.stringContaining(`<h1>${name}</h1>`) as string,
    })),
  );
  expect(again.errors).not.toMatch(/phase=(queued|building)/);
});

/** How many clients the control socket of the pool in this folder has. */
function connectionsTo(dataDir: string): number {
  const name = join(dataDir, 'control.sock');
  const ends = readFileSync('/proc/net/unix', 'utf8').split('\n');
  // The first is the one that listens.
  return ends.filter((line) => line.endsWith(name)).length - 1;
}
