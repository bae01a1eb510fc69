import { describe, expect, it } from 'vitest';
import { advance, type Phase, type PreviewEvent } from '../../../src/preview/state.ts';
import { BUILT, endpointAt, FAILURE, STATES } from '../fixtures/fake-control.ts';

const NOW = 1_000_000;
const EVENTS = {
  queued: { type: 'queued', position: 3 },
  building: { type: 'building' },
  step: { type: 'step', step: 'RUN make', steps: 2, cached: 1 },
  starting: { type: 'starting', build: BUILT },
  ready: { type: 'ready', endpoint: endpointAt(20_000) },
  health: { type: 'health', health: { status: 'unhealthy', output: 'ill' } },
  failed: { type: 'failed', failure: FAILURE },
  cooled: { type: 'cooled', why: 'retried' },
} as const satisfies Record<PreviewEvent['type'], PreviewEvent>;

const PHASES = Object.keys(STATES) as Phase[];

/** Every event that a phase knows, and the phase that it leads to: the diagram of state.ts. */
const LEGAL: Record<Phase, Partial<Record<PreviewEvent['type'], Phase>>> = {
  cold: { queued: 'queued', starting: 'starting', failed: 'failed', cooled: 'cold' },
  queued: {
    queued: 'queued',
    building: 'building',
    starting: 'starting',
    failed: 'failed',
    cooled: 'cold',
  },
  building: { step: 'building', starting: 'starting', failed: 'failed', cooled: 'cold' },
  starting: { ready: 'ready', failed: 'failed', cooled: 'cold' },
  ready: { health: 'ready', failed: 'failed', cooled: 'cold' },
  failed: { failed: 'failed', cooled: 'cold' },
};

const ALL = PHASES.flatMap((phase) =>
  Object.values(EVENTS).map((event) => ({
    phase,
    event,
    type: event.type,
    to: LEGAL[phase][event.type],
  })),
);

describe('an event leads from phase to phase', () => {
  it.each(ALL.filter(({ to }) => to !== undefined))(
    '$phase, $type: $to',
    ({ phase, event, to }) => {
      expect(advance(STATES[phase], event, NOW).phase).toBe(to);
    },
  );
});

describe("an event that a phase does not know is pool's own fault, and told", () => {
  it.each(ALL.filter(({ to }) => to === undefined))('$phase, $type', ({ phase, event, type }) => {
    expect(() => advance(STATES[phase], event, NOW)).toThrow(
      `a preview that is ${phase} cannot become ${type}`,
    );
  });
});

describe('a state carries what is known in its phase', () => {
  it('a place in the queue, since it came into it', () => {
    const queued = advance(STATES.cold, EVENTS.queued, NOW);
    expect(queued).toEqual({ phase: 'queued', since: NOW, position: 3 });
    expect(advance(queued, { type: 'queued', position: 1 }, NOW + 5)).toEqual({
      phase: 'queued',
      since: NOW,
      position: 1,
    });
  });

  it('the step that runs, since the build began', () => {
    const building = advance(STATES.queued, EVENTS.building, NOW);
    expect(building).toEqual({ phase: 'building', since: NOW, steps: 0, cached: 0 });
    expect(advance(building, EVENTS.step, NOW + 5)).toEqual({
      phase: 'building',
      since: NOW,
      step: 'RUN make',
      steps: 2,
      cached: 1,
    });
  });

  it('how long the start took', () => {
    const starting = advance(STATES.building, EVENTS.starting, NOW);
    expect(advance(starting, EVENTS.ready, NOW + 240)).toEqual({
      phase: 'ready',
      since: NOW + 240,
      build: BUILT,
      endpoint: endpointAt(20_000),
      startMs: 240,
    });
  });

  it('the build, also after a failure that came later', () => {
    expect(advance(STATES.starting, EVENTS.failed, NOW)).toMatchObject({
      build: BUILT,
      failure: FAILURE,
    });
    expect(advance(STATES.building, EVENTS.failed, NOW)).not.toHaveProperty('build');
  });

  it.each(ALL.filter(({ to }) => to !== undefined))(
    'and $phase is left as it was by $type',
    ({ phase, event }) => {
      const before = structuredClone(STATES[phase]);
      advance(STATES[phase], event, NOW);
      expect(STATES[phase]).toEqual(before);
    },
  );
});
