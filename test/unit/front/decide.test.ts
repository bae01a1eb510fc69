import { describe, expect, it } from 'vitest';
import type { Client } from '../../../src/front/client.ts';
import { decide } from '../../../src/front/decide.ts';

const HOLD = 60_000;
const client = (kind: Client['kind'], more: Partial<Client> = {}): Client => ({
  kind,
  format: 'json',
  waitMs: undefined,
  respondAsync: false,
  ...more,
});

describe('what a visitor gets', () => {
  it.each([
    ['cold', 'waiting-page', 'card', 'hold'],
    ['queued', 'waiting-page', 'card', 'hold'],
    ['building', 'waiting-page', 'card', 'hold'],
    ['starting', 'hold', 'card', 'hold'],
    ['ready', 'forward', 'forward', 'forward'],
    ['failed', 'failure-page', 'card', 'problem'],
  ] as const)('%s: navigation %s, robot %s, others %s', (phase, navigation, robot, other) => {
    expect(decide(phase, client('navigation'), 0, HOLD).do).toBe(navigation);
    expect(decide(phase, client('robot'), 0, HOLD).do).toBe(robot);
    expect(decide(phase, client('other'), 0, HOLD).do).toBe(other);
  });

  it.each([
    ['navigation', 'starting', {}, 0, { do: 'hold', ms: 400 }],
    ['navigation', 'starting', {}, 399, { do: 'hold', ms: 1 }],
    ['navigation', 'starting', {}, 400, { do: 'waiting-page' }],
    ['navigation', 'building', {}, 0, { do: 'waiting-page' }],
    ['other', 'building', {}, 0, { do: 'hold', ms: HOLD }],
    ['other', 'building', {}, 59_999, { do: 'hold', ms: 1 }],
    ['other', 'building', {}, HOLD, { do: 'problem', status: 503 }],
    ['other', 'starting', {}, HOLD, { do: 'problem', status: 503 }],
    ['other', 'failed', {}, 0, { do: 'problem', status: 502 }],
    ['other', 'failed', { respondAsync: true }, 0, { do: 'problem', status: 502 }],
    ['other', 'ready', { respondAsync: true }, 0, { do: 'forward' }],
    ['other', 'building', { waitMs: 5000 }, 0, { do: 'hold', ms: 5000 }],
    ['other', 'building', { waitMs: 5000 }, 5000, { do: 'problem', status: 503 }],
    ['other', 'building', { waitMs: 0 }, 0, { do: 'problem', status: 503 }],
    ['other', 'building', { waitMs: 1e9 }, 0, { do: 'hold', ms: HOLD }],
    ['other', 'building', { respondAsync: true }, 0, { do: 'accepted' }],
    ['other', 'building', { respondAsync: true, waitMs: 1000 }, 0, { do: 'hold', ms: 1000 }],
    ['other', 'building', { respondAsync: true, waitMs: 1000 }, 1000, { do: 'accepted' }],
    ['other', 'queued', { respondAsync: true, waitMs: 0 }, 0, { do: 'accepted' }],
  ] as const)('%s, %s, %o, after %i ms: %o', (kind, phase, more, heldMs, decision) => {
    expect(decide(phase, client(kind, more), heldMs, HOLD)).toEqual(decision);
  });
});
