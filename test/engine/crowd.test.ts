import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { LABEL } from '../../src/engine/labels.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { seeded } from '../unit/fixtures/numbers.ts';
import { fresh, page } from './fixtures/applications.ts';
import { countingEngine } from './fixtures/counting-engine.ts';
import { TestPool } from './fixtures/test-pool.ts';

const SEED = 20_261_120;
const VISITORS = 1000;
/** The build takes two seconds: some leave before it began, some while they are held, some as it ends. */
const LEAVE_WITHIN_MS = 3500;

test('of a thousand first visitors 999 leave: one build, one container, and the last is answered', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Still here', [fresh('sleep 2')]));
  using folder = new TemporaryFolder();
  await using engine = await countingEngine(folder.path, process.env['DOCKER_HOST'] ?? '');
  await using pool = await TestPool.open([repository.path], { engine: engine.host });
  const begun = Math.floor(Date.now() / 1000);
  const random = seeded(SEED);
  const became: Record<string, number> = {};

  const visit = async (index: number) => {
    // Browsers and scripts mixed; a browser loads its page again, as the page itself does.
    const navigation = index % 2 === 0;
    const signal = AbortSignal.timeout(Math.floor(random() ** 2 * LEAVE_WITHIN_MS) + 1);
    const stay = async (): Promise<string> => {
      const { status } = await pool.visit(commit, { navigation, signal });
      if (status === 200) return 'answered';
      await sleep(200, undefined, { signal });
      return await stay();
    };
    const outcome = await stay().catch(() => 'left');
    became[outcome] = (became[outcome] ?? 0) + 1;
  };
  const leaving = Array.from({ length: VISITORS - 1 }, (_, index) => visit(index));
  const last = await pool.visit(commit);
  expect(last).toMatchObject({ status: 200, text: expect.stringContaining('Still here') });
  await Promise.all(leaving);

  console.log({ seed: SEED, ...became });
  expect(became['left'], 'most went unanswered').toBeGreaterThan(VISITORS / 2);
  expect([pool.count('building'), pool.count('starting'), pool.count('ready')]).toEqual([1, 1, 1]);
  expect(pool.count('failed')).toBe(0);
  expect(await pool.containers()).toHaveLength(1);
  expect(await happened(pool, begun), 'and the engine says the same').toEqual({
    'container create': 1,
    'container start': 1,
  });
  const builds = engine.requests.filter((line) => /^POST (\/v[0-9.]+)?\/build\b/.test(line));
  expect(builds, 'one build was asked for').toHaveLength(1);
  expect((await pool.visit(commit, { navigation: true })).text).toContain('Still here');
});

/** What the engine did for this pool since a moment, by its own events. */
async function happened(pool: TestPool, since: number): Promise<Record<string, number>> {
  const stream = (await pool.engine.docker.getEvents({
    since,
    until: Math.ceil(Date.now() / 1000),
  })) as unknown as AsyncIterable<Buffer>;
  let text = '';
  for await (const chunk of stream) text += chunk.toString('utf8');
  const counts: Record<string, number> = {};
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const { Type, Action, Actor } = JSON.parse(line) as {
      Type: string;
      Action: string;
      Actor: { Attributes: Record<string, string> };
    };
    const ours = Actor.Attributes[LABEL.instance] === pool.instance;
    const name = `${Type} ${Action}`;
    if (ours && /^container (create|start)$/.test(name)) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
