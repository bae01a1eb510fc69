import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, page } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

/** A process of the host, by its id and the moment when it began: an id alone may be given again. */
type Process = `${number}@${string}`;

/** A step that heeds no polite signal, and has a child in a session of its own. */
function stubborn() {
  const mark = `9${Math.floor(Math.random() * 1e8)}`;
  const step = `trap '' TERM INT HUP; setsid sleep ${mark} & sleep ${mark}; true`;
  return { mark, step: fresh(step) };
}

describe.each(['buildkit', 'classic'] as const)('with the %s builder', (builder) => {
  test('a step that heeds no signal is gone from the host within a second after pool began to end, with its children', async () => {
    using repository = new GitRepository();
    const { mark, step } = stubborn();
    const commit = await repository.commit(page('Stubborn', [step]));
    const pool = await TestPool.open([repository.path], { builder });
    await pool.visit(commit, { navigation: true });
    const running = await bothOf(mark);

    const begun = performance.now();
    const ended = pool[Symbol.asyncDispose]();
    await until('none of them is there', async () => (await alive(running)).length === 0, 1000);
    console.log({ builder, 'ms until the step was gone': Math.round(performance.now() - begun) });
    await ended;
    expect(await processesOf(mark), 'and nothing began it anew').toEqual([]);
  });

  test('and so is one over its time limit, once that is told', async () => {
    using repository = new GitRepository();
    const { mark, step } = stubborn();
    const commit = await repository.commit(page('Late', [step]));
    await using pool = await TestPool.open([repository.path], { builder, buildTimeoutMs: 3000 });
    const answer = pool.visit(commit);
    const running = await bothOf(mark);
    expect(JSON.parse((await answer).text)).toMatchObject({
      code: 'build-timeout',
      detail: expect.stringContaining(mark) as string,
    });
    await until('none of them is there', async () => (await alive(running)).length === 0, 1000);
    expect(await processesOf(mark)).toEqual([]);
  });
});

/** The step's two sleeps, once they run. */
async function bothOf(mark: string): Promise<Process[]> {
  await until('both run', async () => (await sleepsOf(mark)).length === 2, 20_000);
  return await processesOf(mark);
}

async function sleepsOf(mark: string): Promise<Process[]> {
  return await findProcesses((command) => command === `sleep\0${mark}\0`);
}

/** The shell of the step as well. */
async function processesOf(mark: string): Promise<Process[]> {
  return await findProcesses(
    (command) => command.includes(`sleep ${mark}`) || command.includes(`sleep\0${mark}\0`),
  );
}

async function alive(processes: readonly Process[]): Promise<Process[]> {
  const now = await findProcesses(() => true);
  return processes.filter((one) => now.includes(one));
}

/** Processes of this host whose command line fits; one that has ended is no more than an entry. */
async function findProcesses(fits: (command: string) => boolean): Promise<Process[]> {
  const ids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const found = ids.map(async (id): Promise<Process[]> => {
    try {
      const command = await readFile(`/proc/${id}/cmdline`, 'utf8');
      const stat = (await readFile(`/proc/${id}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
      const ended = stat[0] === 'Z' || stat[0] === 'X';
      return fits(command) && !ended ? [`${Number(id)}@${stat[19]}`] : [];
    } catch {
      return [];
    }
  });
  return (await Promise.all(found)).flat();
}
