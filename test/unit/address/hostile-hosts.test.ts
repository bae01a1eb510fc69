import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { destinationOf } from '../../../src/address/host.ts';
import { CommitSet } from '../../../src/mirror/commit-set.ts';
import { FRESHNESS, lookUp } from '../../../src/mirror/look-up.ts';
import type { Mirror } from '../../../src/mirror/mirror.ts';
import { parseRefs, RefTable } from '../../../src/mirror/ref-table.ts';
import { COMMIT } from '../fixtures/fake-control.ts';
import { type HostileHead, hostileHeads } from '../fixtures/hostile-hosts.ts';
import { NEVER } from '../fixtures/until.ts';

const SEED = 20_261_120;
const COUNT = 10_000;
const NEAR = { commit: COMMIT, hidden: ['a1b2c3d4'.repeat(5), 'deadbeef'.repeat(5)] };

/** As much of a mirror as a look-up has, which counts what would reach git. */
function countingMirror() {
  const refs = ['main', 'head', 'v1.0'].map((name) => `refs/heads/${name}x\0${COMMIT}\0commit\0\0`);
  const mirror = {
    table: new RefTable(parseRefs(refs.join('\n')), CommitSet.parse(COMMIT)),
    triedAt: 0,
    fetchingSince: undefined,
    refreshes: [] as unknown[][],
    refresh: async (...told: unknown[]) => {
      mirror.refreshes.push(told);
      mirror.triedAt = Date.now();
      await Promise.resolve();
    },
  };
  return mirror;
}

/** What one head comes to: a status, or what the table says. */
async function resolve({ lines }: HostileHead, mirror: ReturnType<typeof countingMirror>) {
  const [first = '', ...fields] = lines;
  const [, target = '', version = ''] = /^GET (.*) HTTP\/(.*)$/s.exec(first) ?? [];
  const hosts = fields.filter((one) => one.startsWith('Host: ')).map((one) => one.slice(6).trim());
  const destination = destinationOf({ httpVersion: version, hosts, target }, ['pool.localhost']);
  if (destination.kind !== 'preview') return destination;
  const { ref, repository } = destination.address;
  expect(ref).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  expect(repository ?? 'none').toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  return await lookUp(mirror as unknown as Mirror, ref, FRESHNESS, NEVER);
}

it(`of ten thousand hostile hosts (seed ${SEED}) the grammar lets none through to a table`, async () => {
  const mirror = countingMirror();
  for (const head of hostileHeads(SEED, COUNT, NEAR).filter((one) => !one.lookedUp)) {
    const found = await resolve(head, mirror);
    expect(found, `${head.family}: ${JSON.stringify(head.lines)}`).toMatchObject({
      kind: 'refused',
      status: expect.toBeOneOf([400, 404, 421]),
    });
  }
  expect(mirror.refreshes).toEqual([]);
});

it(`of ten thousand that could be names (seed ${SEED}) all together cause one fetch, of no argument of theirs`, async () => {
  const mirror = countingMirror();
  const heads = hostileHeads(SEED, COUNT, NEAR).filter((one) => one.lookedUp);
  const kinds = new Set<string>();
  for (const head of heads) kinds.add((await resolve(head, mirror)).kind);
  expect(kinds).toEqual(new Set(['unknown']));
  expect(mirror.refreshes).toEqual([[NEVER]]);
});

it('and a second ten thousand leave nothing behind', async () => {
  const mirror = countingMirror();
  const all = async () => {
    for (const head of hostileHeads(SEED, COUNT, NEAR)) await resolve(head, mirror);
  };
  await all();
  const before = heapUsed();
  await all();
  expect(heapUsed() - before).toBeLessThan(2 ** 20);
});

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
