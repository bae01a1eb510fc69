import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import { CommitSet } from '../../../src/mirror/commit-set.ts';
import { FRESHNESS, lookUp } from '../../../src/mirror/look-up.ts';
import type { Mirror } from '../../../src/mirror/mirror.ts';
import { parseRefs, RefTable } from '../../../src/mirror/ref-table.ts';
import { NEVER } from '../fixtures/until.ts';

const ONE = '1'.repeat(40) as CommitId;
const TWO = '2'.repeat(40) as CommitId;

function tableWith(commit: CommitId): RefTable {
  const refs = parseRefs(['refs/heads/main', commit, 'commit', '', ''].join('\0'));
  return new RefTable(refs, CommitSet.parse(commit));
}

/** A mirror whose fetch ends when it is told to, and then knows `TWO`. */
class FakeMirror {
  table = tableWith(ONE);
  triedAt: number;
  fetches = 0;
  fetchingSince: number | undefined;
  readonly #fetched: Promise<unknown>;
  #fetching: Promise<void> | undefined;

  constructor(ageMs: number, fetched: Promise<unknown> = sleep(0)) {
    this.triedAt = Date.now() - ageMs;
    this.#fetched = fetched;
  }

  refresh(): Promise<void> {
    this.#fetching ??= this.#fetch();
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    this.fetches += 1;
    this.fetchingSince = Date.now();
    await this.#fetched;
    this.table = tableWith(TWO);
    this.triedAt = Date.now();
    this.#fetching = undefined;
    this.fetchingSince = undefined;
  }
}

/** A fetch that hangs until it is told to go on. */
const hanging = () => Promise.withResolvers<void>();

const find = async (mirror: FakeMirror, ref: string, freshness: Partial<typeof FRESHNESS> = {}) =>
  await lookUp(mirror as unknown as Mirror, ref, { ...FRESHNESS, ...freshness }, NEVER);

it('a known full id is found without a fetch, however old the mirror', async () => {
  const mirror = new FakeMirror(1e9);
  expect(await find(mirror, ONE)).toMatchObject({ commit: ONE, fixed: true });
  expect(mirror.fetches).toBe(0);
});

it('a branch is believed while the mirror is fresh', async () => {
  const mirror = new FakeMirror(9000);
  expect(await find(mirror, 'main')).toMatchObject({ commit: ONE });
  expect(mirror.fetches).toBe(0);
});

it('a remote that hangs costs the visitors of a branch its patience once, not each of them', async () => {
  const mirror = new FakeMirror(60_000, hanging().promise);
  await find(mirror, 'main', { knownWaitMs: 500 });
  const begun = performance.now();
  for (let visit = 0; visit < 20; visit++) {
    expect(await find(mirror, 'main', { knownWaitMs: 500 })).toMatchObject({ commit: ONE });
  }
  expect(performance.now() - begun, 'twenty patiences would be ten seconds').toBeLessThan(5000);
  expect(mirror.fetches).toBe(1);
});

it('a branch is fetched first where the mirror is old', async () => {
  const mirror = new FakeMirror(11_000);
  expect(await find(mirror, 'main')).toMatchObject({ commit: TWO });
  expect(mirror.fetches).toBe(1);
});

it('an unknown ref makes pool fetch at most once in refreshMs', async () => {
  const mirror = new FakeMirror(11_000, sleep(5));
  const all = await Promise.all(
    Array.from({ length: 50 }, async () => await find(mirror, 'nothing')),
  );
  expect(all.every(({ kind }) => kind === 'unknown')).toBe(true);
  await find(mirror, 'nothing');
  await find(mirror, 'more-of-nothing');
  expect(mirror.fetches).toBe(1);
});

it('an unknown full id that the fetch brings is found', async () => {
  expect(await find(new FakeMirror(11_000), TWO)).toMatchObject({ commit: TWO, fixed: true });
});

it('a visitor of a known ref waits at most knownWaitMs for a slow fetch', async () => {
  const fetched = hanging();
  const mirror = new FakeMirror(11_000, fetched.promise);
  expect(await find(mirror, 'main', { knownWaitMs: 10 })).toMatchObject({ commit: ONE });
  expect(mirror.fetchingSince, 'it is still under way').toBeDefined();
  fetched.resolve();
  await mirror.refresh();
  expect(await find(mirror, 'main')).toMatchObject({ commit: TWO });
});

it('a visitor of an unknown ref waits longer, and not for ever', async () => {
  const begun = Date.now();
  const freshness = { knownWaitMs: 0, unknownWaitMs: 20 };
  const mirror = new FakeMirror(11_000, hanging().promise);
  expect(await find(mirror, 'x', freshness)).toMatchObject({ kind: 'unknown' });
  expect(Date.now() - begun).toBeGreaterThanOrEqual(18);
  expect(Date.now() - begun, 'half of what it waits by default').toBeLessThan(5000);
});
