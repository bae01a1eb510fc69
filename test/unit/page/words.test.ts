import { describe, expect, it } from 'vitest';
import { age, duration, happenedWords, phaseWords } from '../../../src/page/words.ts';
import type { Entry } from '../../../src/preview/journal.ts';
import type { PreviewState } from '../../../src/preview/state.ts';
import { BUILT, FAILURE, STATES } from '../fixtures/fake-control.ts';

describe('a duration is told in words', () => {
  it.each([
    [0, '0 ms'],
    [240.4, '240 ms'],
    [999, '999 ms'],
    [1000, '1.0 s'],
    [1840, '1.8 s'],
    [59_900, '59.9 s'],
    [59_999, '1 min 0 s'],
    [60_000, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [119_800, '2 min 0 s'],
    [3_600_000, '60 min 0 s'],
  ])('%f ms: %s', (ms, words) => {
    expect(duration(ms)).toBe(words);
  });
});

describe('an age is told in words', () => {
  const NOW = Date.parse('2026-11-20T12:00:00Z');
  it.each([
    [0, 'just now'],
    [59, 'just now'],
    [60, '1 minute ago'],
    [3 * 3600, '3 hours ago'],
    [86_400, 'yesterday'],
    [3 * 86_400, '3 days ago'],
    [14 * 86_400, '2 weeks ago'],
    [400 * 86_400, 'last year'],
    [-3 * 3600, 'in 3 hours'],
  ])('%i s: %s', (seconds, words) => {
    expect(age(NOW - seconds * 1000, NOW)).toBe(words);
  });
});

describe('a phase is told in words', () => {
  it.each([
    [STATES.cold, 'not running'],
    [{ ...STATES.queued, position: 1 }, 'next to be built'],
    [STATES.queued, 'in the queue, number 2'],
    [STATES.building, 'building, step 3'],
    [{ ...STATES.building, steps: 0 }, 'building'],
    [STATES.starting, 'starting'],
    [STATES.ready, 'built in 1.8 s, 7 of 9 steps cached'],
    [{ ...STATES.ready, build: { reused: true } }, 'nothing to build, the image was there'],
    [
      { ...STATES.ready, build: { reused: true, how: 'commit', from: 'a'.repeat(40), ms: 60 } },
      'nothing to build, the image was there, 300 ms',
    ],
    [
      {
        ...STATES.ready,
        build: { reused: true, how: 'recipe', from: `3f2a91c${'0'.repeat(33)}`, ms: 60 },
      },
      'same recipe as 3f2a91c, nothing built, 300 ms',
    ],
    [STATES.failed, 'failed'],
    [
      { phase: 'failed', since: 0, failure: FAILURE, build: BUILT },
      'built in 1.8 s, 7 of 9 steps cached, then failed',
    ],
  ] as [PreviewState, string][])('%o', (state, words) => {
    expect(phaseWords(state)).toBe(words);
  });
});

it('a rebuild that somebody stopped is not told as one that failed, nor what it was made beside as serving', () => {
  const failure = { ...FAILURE, code: 'cancelled' } as const;
  const rebuild = { ...STATES.failed, failure };
  expect(phaseWords({ ...STATES.ready, rebuild })).toBe(
    'the rebuild was stopped, what was there serves on',
  );
  const entry = { what: 'failed', code: 'cancelled', message: 'Stopped.', serving: true } as const;
  expect(happenedWords({ ...entry, at: 0 })).toBe('the rebuild was stopped (cancelled): Stopped.');
});

describe('what happened is told in words', () => {
  it.each<[Entry, string]>([
    [{ what: 'queued' }, 'asked for, and queued'],
    [{ what: 'building' }, 'its turn came, the build began'],
    [
      { what: 'starting', build: BUILT },
      'built in 1.8 s, 7 of 9 steps cached; a container was started',
    ],
    [
      { what: 'starting', build: { reused: true } },
      'nothing to build, the image was there; a container was started',
    ],
    [{ what: 'found' }, 'pool started, and found its container running'],
    [{ what: 'ready', startMs: 240 }, 'ready, it answered after 240 ms'],
    [{ what: 'failed', code: 'lfs', message: 'A pointer.' }, 'failed (lfs): A pointer.'],
    [{ what: 'cooled', why: 'retried' }, 'tried once more'],
    [{ what: 'cooled', why: 'stopped' }, 'its container was stopped or removed'],
    [{ what: 'cooled', why: 'engine-away' }, 'its container was gone when the engine came back'],
  ])('%o: %s', (entry, words) => {
    expect(happenedWords({ ...entry, at: 0 })).toBe(words);
  });
});
