import type { BuildSummary } from '../build/image.ts';
import type { Failure } from '../errors.ts';
import type { Health } from '../run/containers.ts';
import type { Endpoint } from '../run/endpoint.ts';

/**
 * What a preview is doing. `since` is when that began, in ms of the epoch. A rebuild of what is
 * ready goes the same way in `rebuild`, cold to starting, while the old container serves: its
 * answer takes the place of the whole, its failure stays there, and where the old container goes
 * away meanwhile (`cooled`) it is the whole from then on.
 *
 *            visit           its turn            image            an answer
 *     cold ────────▶ queued ─────────▶ building ─────────▶ starting ────────▶ ready
 *      ▲  └──────────── image is known ──────────────────────▲                  │
 *      │                  │          │                │                         │
 *      │                  └──────────┴── a failure ───┴──▶ failed ◀── it exits ─┤
 *      └───────────────── retry, or the engine restarted ◀────┴─────────────────┘
 */
export type PreviewState =
  | { phase: 'cold'; since: number }
  | { phase: 'queued'; since: number; position: number }
  /** `pulling`: an image that CI made is looked for; where there is none, it is queued again. */
  | {
      phase: 'building';
      since: number;
      pulling?: true;
      step?: string;
      steps: number;
      cached: number;
    }
  | { phase: 'starting'; since: number; build: BuildSummary }
  | {
      phase: 'ready';
      since: number;
      build: BuildSummary;
      endpoint: Endpoint;
      startMs: number;
      /** What the image's HEALTHCHECK says: shown, and not acted on. */
      health?: Health;
      /** It is built anew meanwhile, or that failed. */
      rebuild?: Exclude<PreviewState, { phase: 'ready' }>;
    }
  | { phase: 'failed'; since: number; failure: Failure; build?: BuildSummary };

export type Phase = PreviewState['phase'];

/** What can happen to a preview. */
export type PreviewEvent =
  | { type: 'queued'; position: number }
  | { type: 'building'; pulling?: true }
  | { type: 'step'; step: string | undefined; steps: number; cached: number }
  /** `found`: its container was running when pool started. */
  | { type: 'starting'; build: BuildSummary; found?: true }
  | { type: 'ready'; endpoint: Endpoint }
  /** To be built anew, while what is ready serves on. */
  | { type: 'rebuilding' }
  | { type: 'health'; health: Health }
  | { type: 'failed'; failure: Failure }
  | { type: 'cooled'; why: 'retried' | 'rebuilt' | 'stopped' | 'ended' | 'engine-away' };

/** The only writer of a preview's state. An event that the phase does not know is pool's own fault. */
export function advance(state: PreviewState, event: PreviewEvent, now: number): PreviewState {
  const rebuild = rebuildUnderWay(state);
  if (state.phase === 'ready' && rebuild !== undefined) {
    if (event.type === 'cooled') return rebuild;
    if (event.type !== 'health') {
      const next = advance(rebuild, event, now);
      return next.phase === 'ready' ? next : { ...state, rebuild: next };
    }
  }
  switch (event.type) {
    case 'queued': {
      const since = state.phase === 'queued' ? state.since : now;
      only(state, event, 'cold', 'queued', 'building');
      return { phase: 'queued', since, position: event.position };
    }
    case 'building':
      only(state, event, 'queued');
      return {
        phase: 'building',
        since: now,
        steps: 0,
        cached: 0,
        ...(event.pulling && { pulling: true }),
      };
    case 'step': {
      const { step: _, ...building } = only(state, event, 'building');
      const { step, steps, cached } = event;
      return { ...building, steps, cached, ...(step === undefined ? {} : { step }) };
    }
    case 'starting':
      only(state, event, 'cold', 'queued', 'building');
      return { phase: 'starting', since: now, build: event.build };
    case 'ready': {
      const { build, since } = only(state, event, 'starting');
      return { phase: 'ready', since: now, build, endpoint: event.endpoint, startMs: now - since };
    }
    case 'rebuilding':
      return { ...only(state, event, 'ready'), rebuild: { phase: 'cold', since: now } };
    case 'health':
      return { ...only(state, event, 'ready'), health: event.health };
    case 'failed': {
      const build = 'build' in state && state.build !== undefined ? { build: state.build } : {};
      return { phase: 'failed', since: now, failure: event.failure, ...build };
    }
    case 'cooled':
      return { phase: 'cold', since: now };
  }
}

/** How far a rebuild is that goes on beside what serves. */
export function rebuildUnderWay(state: PreviewState): PreviewState | undefined {
  const rebuild = state.phase === 'ready' ? state.rebuild : undefined;
  return rebuild?.phase === 'failed' ? undefined : rebuild;
}

/** The phase, with that of a rebuild beside it: "ready", "ready, rebuild building". */
export function stageOf(state: PreviewState): string {
  const rebuild = state.phase === 'ready' ? state.rebuild : undefined;
  return rebuild === undefined ? state.phase : `${state.phase}, rebuild ${rebuild.phase}`;
}

/** The state where its phase is one of `phases`; throws where it is another. */
function only<P extends Phase>(
  state: PreviewState,
  event: PreviewEvent,
  ...phases: P[]
): Extract<PreviewState, { phase: P }> {
  if (!phases.some((phase) => phase === state.phase)) {
    throw new Error(`a preview that is ${state.phase} cannot become ${event.type}`);
  }
  return state as Extract<PreviewState, { phase: P }>;
}
