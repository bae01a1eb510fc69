import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KilledPool, type Outcome, POINTS } from './fixtures/killed-pool.ts';

/** `npm run kills` asks for more of both. */
const KILLS = Number(process.env['POOL_KILLS'] ?? 2);
const PRESENT = Number(process.env['POOL_PRESENT'] ?? 10);
/** The promise holds on a machine that does nothing else: only `npm run kills` asks for that. */
const LIMIT_MS = 'POOL_KILLS' in process.env ? 2000 : Infinity;
/** Printed, and taken from the environment to see the same blows again. */
const SEED = Number(process.env['POOL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe(`killed with ${PRESENT} previews present, ${KILLS} times at each point (POOL_SEED=${SEED})`, () => {
  const random = randomOf(SEED);
  let pool: KilledPool;
  beforeAll(async () => {
    pool = await KilledPool.open(PRESENT);
  });
  afterAll(async () => await pool?.[Symbol.asyncDispose]());

  test.each(POINTS)(
    'at %s pool is back at once, and leaves nothing',
    { timeout: 600_000 },
    async (point) => {
      const outcomes: Outcome[] = [];
      for (let blow = 0; blow < KILLS; blow++) outcomes.push(await pool.kill(point, random()));
      const times = outcomes.map(({ backMs }) => backMs).toSorted((a, b) => a - b);
      process.stdout.write(`  ${point}: back in ${times.join(' ')} ms\n`);
      expect(times.at(-1), 'spawned to answering').toBeLessThan(LIMIT_MS);
    },
  );
});
