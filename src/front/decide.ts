import type { Phase } from '../preview/state.ts';
import type { Client } from './client.ts';

/** What is done with a request, before any socket knows of it. */
export type Decision =
  | { do: 'forward' }
  /** Hold the request until the phase changes, at most so long, then decide again. */
  | { do: 'hold'; ms: number }
  | { do: 'card' }
  | { do: 'waiting-page' }
  | { do: 'failure-page' }
  /** 202, `Location: /_pool/`. */
  | { do: 'accepted' }
  /** A problem document (RFC 9457). */
  | { do: 'problem'; status: 502 | 503 };

/** A start that is this short never shows a page. */
export const NAVIGATION_HOLD_MS = 400;

/**
 * What a visitor gets, by phase and kind of client:
 *
 *                        navigation                    robot   everything else
 *     ready              the application               …       the application
 *     cold, queued,
 *     building           waiting page at once          card    held, at most `holdMs`, then 503
 *     starting           held 400 ms, then the page    card    held, at most `holdMs`, then 503
 *     failed             failure page                  card    502
 *
 * `heldMs` is how long this request was held already.
 */
export function decide(phase: Phase, client: Client, heldMs: number, holdMs: number): Decision {
  if (phase === 'ready') return { do: 'forward' };
  if (client.kind === 'robot') return { do: 'card' };
  if (phase === 'failed') {
    return client.kind === 'navigation' ? { do: 'failure-page' } : { do: 'problem', status: 502 };
  }
  if (client.kind === 'navigation') {
    const left = phase === 'starting' ? NAVIGATION_HOLD_MS - heldMs : 0;
    return left > 0 ? { do: 'hold', ms: left } : { do: 'waiting-page' };
  }
  if (client.respondAsync && client.waitMs === undefined) return { do: 'accepted' };
  const left = Math.min(client.waitMs ?? holdMs, holdMs) - heldMs;
  if (left > 0) return { do: 'hold', ms: left };
  return client.respondAsync ? { do: 'accepted' } : { do: 'problem', status: 503 };
}
