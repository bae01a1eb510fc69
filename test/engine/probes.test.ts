import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { EVERY_PROBE } from '../probes/every-probe.ts';
import { type Laboratory, openLaboratory } from '../probes/laboratory.ts';
import { AT_ONCE } from '../probes/try.ts';

vi.setConfig({ maxConcurrency: AT_ONCE });

const WAITING = EVERY_PROBE.filter(({ waits }) => waits);

let laboratory: Laboratory;
let waiting: Promise<PromiseSettledResult<void>>[];
beforeAll(async () => {
  laboratory = await openLaboratory();
  waiting = WAITING.map(
    async (probe) => (await Promise.allSettled([probe.run(laboratory.pool)]))[0],
  );
});
afterAll(async () => await laboratory[Symbol.asyncDispose]());

// Each promise of the data path, over real sockets to a hostile application in a real container.
describe.concurrent('side by side:', () => {
  for (const probe of EVERY_PROBE.filter(({ alone, waits }) => !alone && !waits)) {
    test(`${probe.family}: ${probe.name}`, async () => {
      await expect(probe.run(laboratory.pool)).resolves.toBeUndefined();
    });
  }
});

describe('alone:', () => {
  for (const probe of EVERY_PROBE.filter(({ alone }) => alone)) {
    test(`${probe.family}: ${probe.name}`, async () => {
      await expect(probe.run(laboratory.pool)).resolves.toBeUndefined();
    });
  }
});

describe('begun before all others:', () => {
  for (const [index, probe] of WAITING.entries()) {
    test(`${probe.family}: ${probe.name}`, async () => {
      expect(await waiting[index]).toEqual({ status: 'fulfilled', value: undefined });
    });
  }
});
