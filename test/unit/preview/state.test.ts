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
  rebuilding: { type: 'rebuilding' },
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
  building: {
    queued: 'queued',
    step: 'building',
    starting: 'starting',
    failed: 'failed',
    cooled: 'cold',
  },
  starting: { ready: 'ready', failed: 'failed', cooled: 'cold' },
  ready: { rebuilding: 'ready', health: 'ready', failed: 'failed', cooled: 'cold' },
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

describe('a rebuild of what is ready', () => {
  const begun = advance(STATES.ready, EVENTS.rebuilding, NOW);
  const building = [EVENTS.queued, EVENTS.building].reduce(
    (state, event) => advance(state, event, NOW),
    begun,
  );

  it('goes its way beside what serves, and then takes its place', () => {
    expect(building).toEqual({
      ...STATES.ready,
      rebuild: { phase: 'building', since: NOW, steps: 0, cached: 0 },
    });
    const starting = advance(building, EVENTS.starting, NOW);
    expect(starting).toMatchObject({ phase: 'ready', rebuild: { phase: 'starting' } });
    const health = advance(starting, EVENTS.health, NOW);
    expect(health, 'the old one is still checked').toMatchObject({ health: { output: 'ill' } });
    const endpoint = endpointAt(20_001);
    expect(advance(health, { type: 'ready', endpoint }, NOW + 5)).toEqual({
      phase: 'ready',
      since: NOW + 5,
      build: BUILT,
      endpoint,
      startMs: 5,
    });
  });

  it('that fails leaves what serves, and may be begun again', () => {
    const failed = advance(building, EVENTS.failed, NOW);
    expect(failed).toMatchObject({ ...STATES.ready, rebuild: { failure: FAILURE } });
    expect(advance(failed, EVENTS.rebuilding, NOW)).toEqual(begun);
    expect(advance(failed, EVENTS.cooled, NOW).phase).toBe('cold');
    expect(advance(failed, EVENTS.failed, NOW)).toMatchObject({ phase: 'failed' });
  });

  it('is all that there is where what served goes away, and is not begun twice', () => {
    expect(advance(building, EVENTS.cooled, NOW).phase).toBe('building');
    expect(() => advance(building, EVENTS.rebuilding, NOW)).toThrow('cannot become rebuilding');
  });
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
