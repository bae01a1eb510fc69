import { setTimeout as sleep } from 'node:timers/promises';
import type { Mirror } from './mirror.ts';
import type { Found } from './ref-table.ts';

/** How fresh a mirror is kept, and how long a visitor may wait for that. */
export const FRESHNESS = {
  /** A branch's tip is at most so old; an unknown ref makes pool fetch at most so often. */
  refreshMs: 10_000,
  /** A visitor of a ref that is known waits at most so long for a fresher answer. */
  knownWaitMs: 2000,
  /** A visitor of a ref that is unknown waits at most so long for the shared fetch. */
  unknownWaitMs: 10_000,
};
export type Freshness = typeof FRESHNESS;

/**
 * Looks a ref up in a mirror, which is fetched first where it is too old to be believed. A full id
 * that is known needs no fetch: it cannot move.
 */
export async function lookUp(
  mirror: Mirror,
  ref: string,
  { refreshMs, knownWaitMs, unknownWaitMs }: Freshness,
  closing: AbortSignal,
): Promise<Found> {
  const found = mirror.table.find(ref);
  if (found.kind === 'commit' && found.fixed) return found;
  if (Date.now() - mirror.triedAt < refreshMs) return found;

  // A remote that hangs costs its patience once, not each visitor anew.
  const patienceMs = found.kind === 'unknown' ? unknownWaitMs : knownWaitMs;
  const waitMs = (mirror.fetchingSince ?? Date.now()) + patienceMs - Date.now();
  const refreshed = mirror.refresh(closing);
  if (waitMs <= 0) return found;
  const timer = new AbortController();
  const patience = sleep(waitMs, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([refreshed, patience]);
  timer.abort();
  return mirror.table.find(ref);
}
