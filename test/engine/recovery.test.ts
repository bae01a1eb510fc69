import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seeded } from '../unit/fixtures/numbers.ts';
import {
  type Builder,
  KilledPool,
  type Outcome,
  type Point,
  POINTS,
} from './fixtures/killed-pool.ts';

/** `npm run kills` asks for more of both. */
const KILLS = Number(process.env['POOL_KILLS'] ?? 2);
const PRESENT = Number(process.env['POOL_PRESENT'] ?? 10);
/**
 * From the start of the process to an answer, what the processor gave to others taken off. Asked of
 * a machine that is quiet, by `npm run kills`: git and the engine have to wait for their share too.
 */
const LIMIT_MS = 'POOL_KILLS' in process.env ? 2000 : Infinity;
/** Printed, and taken from the environment to see the same blows again. */
const SEED = Number(process.env['POOL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const CASES: [Point, Builder][] = POINTS.map((point) => [point, 'auto']);
CASES.push(['build', 'classic']);

describe(`killed with ${PRESENT} previews present, ${KILLS} times at each point (POOL_SEED=${SEED})`, () => {
  let pool: KilledPool;
  beforeAll(async () => {
    pool = await KilledPool.open(PRESENT);
  }, 600_000);
  afterAll(async () => await pool?.[Symbol.asyncDispose]());

  test.each(CASES)(
    'at %s (builder: %s) pool is back at once, and leaves nothing',
    async (point, builder) => {
      // A seed of its own, so that a case alone (-t) sees the same blows.
      const random = seeded(
        SEED + CASES.findIndex((one) => one[0] === point && one[1] === builder),
      );
      const outcomes: Outcome[] = [];
      for (let blow = 0; blow < KILLS; blow++) {
        outcomes.push(await pool.kill(point, random(), builder));
      }
      const sorted = (which: keyof Outcome) =>
        outcomes.map((outcome) => outcome[which]).toSorted((a, b) => a - b);
      process.stdout.write(
        `  ${point} (builder: ${builder}): back in ${sorted('backMs').join(' ')} ms, its own ${sorted('ownMs').join(' ')} ms\n`,
      );
      expect(sorted('ownMs').at(-1), 'spawned to answering').toBeLessThan(LIMIT_MS);
    },
    600_000,
  );
});
