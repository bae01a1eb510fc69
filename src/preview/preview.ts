import { setImmediate as tick } from 'node:timers/promises';
import { once, setMaxListeners } from 'node:events';
import type { Brand } from '../brand.ts';
import type { BuildLog } from '../build/build-log.ts';
import type { BuildProgress } from '../build/trace.ts';
import { cancelled, toFailure } from '../errors.ts';
import type { Endpoint } from '../run/endpoint.ts';
import type { BuildSummary } from '../build/image.ts';
import type { Logger } from '../logger.ts';
import {
  makePreview,
  type Rebuild,
  type Stages,
  type Wanted,
  type Witness,
} from './make-preview.ts';
import {
  advance,
  type PreviewEvent,
  type PreviewState,
  rebuildUnderWay,
  stageOf,
} from './state.ts';

/** Names a preview in routes, URLs of the API and events: repository and full id. */
export type PreviewId = Brand<string, 'PreviewId'>;

/** The id of a repository's commit. */
export function previewId({ repository, commit }: Wanted): PreviewId {
  return `${repository}/${commit}` as PreviewId;
}

/**
 * One commit made visitable: its state, its log, and the one job that works on it. Whoever visits
 * meanwhile shares that job, and ends nothing by leaving.
 */
export class Preview {
  readonly id: PreviewId;
  readonly wanted: Wanted;
  readonly log: BuildLog;
  readonly #stages: Stages;
  readonly #onState: (preview: Preview, entered?: PreviewEvent) => void;
  readonly #logger: Logger;
  readonly #closing: AbortSignal;
  #state: PreviewState = { phase: 'cold', since: Date.now() };
  readonly #changes = new EventTarget();
  /** Asked for, and not done yet: a retry goes on with it, and never shows the image of before. */
  #rebuild: Rebuild | undefined;
  #job: { done: Promise<void>; controller: AbortController } | undefined;

  constructor(
    wanted: Wanted,
    stages: Stages,
    log: BuildLog,
    onState: (preview: Preview, entered?: PreviewEvent) => void,
    logger: Logger,
    closing: AbortSignal,
  ) {
    this.id = previewId(wanted);
    this.wanted = wanted;
    this.log = log;
    this.#stages = stages;
    this.#onState = onState;
    this.#logger = logger;
    this.#closing = closing;
    // As many listen as wait for it; Node takes more than ten for a leak.
    setMaxListeners(0, this.#changes);
  }

  get state(): PreviewState {
    return this.#state;
  }

  /** True while a job is under way. */
  get busy(): boolean {
    return this.#job !== undefined;
  }

  /** Starts the way to the endpoint, unless it is under way, over, or failed by the commit's own fault. */
  visit(): void {
    const { phase } = this.#state;
    // A job that has just failed cannot be gone on with, and will not begin anew.
    if (this.busy) return;
    const again = phase === 'failed' && this.#state.failure.ours;
    if (phase !== 'cold' && !again) return;
    if (again) this.tell(this.#again());
    void this.#begin(async (signal) => await this.#make(this.#rebuild, signal));
  }

  /** Starts once more after a failure. */
  retry(): void {
    if (this.busy || this.#state.phase !== 'failed') return;
    this.tell(this.#again());
    this.visit();
  }

  /**
   * A rebuild is tried once more as the rebuild that it was, newer base images included: BuildKit
   * tags none that it pulls, and without `pull` would go back to the older one.
   */
  #again(): PreviewEvent {
    return { type: 'cooled', why: this.#rebuild === undefined ? 'retried' : 'rebuilt' };
  }

  /**
   * Builds the image anew. What is ready serves until the new one answers, and goes on where that
   * fails; what is not ready shows nothing older from now on. Does nothing, and says so, while a
   * job is under way.
   */
  rebuild(how: Pick<Rebuild, 'pull'>): boolean {
    if (this.busy) return false;
    const { state } = this;
    if (state.phase === 'ready') {
      this.tell({ type: 'rebuilding' });
      const rebuild = { ...how, beside: state.endpoint };
      void this.#begin(async (signal) => await this.#make(rebuild, signal));
    } else {
      this.#rebuild = how;
      this.tell({ type: 'cooled', why: 'rebuilt' });
      void this.#begin(async (signal) => await this.#make(this.#rebuild, signal));
    }
    return true;
  }

  /** Resolves once no job is under way, or when `signal` aborts. */
  async done(signal: AbortSignal): Promise<void> {
    const left = once(signal, 'abort').catch(() => {});
    if (!signal.aborted) await Promise.race([this.#job?.done, left]);
  }

  /** Goes on with a container that an earlier process started. */
  adopt(endpoint: Endpoint, build: BuildSummary): Promise<void> {
    return this.#begin(async (signal) => {
      this.tell({ type: 'starting', build, found: true });
      await using container = this.#stages.holdContainer(endpoint);
      // A pool that ends says nothing about the container.
      signal.addEventListener('abort', () => container.keep(), { once: true });
      // It was ready once as its commit asked; now any answer says that it still runs.
      const witness = this.#witness(signal);
      const ready = await this.#stages.awaitReady(this.wanted, container, {}, witness, signal);
      this.tell({ type: 'ready', endpoint: ready });
      container.keep();
    });
  }

  /** Ends the job that runs, and waits for its end. */
  async cancel(): Promise<void> {
    this.#job?.controller.abort();
    await this.#job?.done;
  }

  /** Ends what is being made, and is cold; a container that runs is the caller's to remove. */
  async stop(): Promise<void> {
    await this.cancel();
    // Those who wait are told that it was stopped; were it cold at once, they would start it anew.
    await tick();
    if (this.busy) return;
    // A rebuild that failed is given up as well: the next visit starts the image that is there.
    this.#rebuild = undefined;
    if (this.#state.phase === 'cold') return;
    this.tell({ type: 'cooled', why: 'stopped' });
  }

  tell(event: PreviewEvent): void {
    const before = stageOf(this.#state);
    this.#state = advance(this.#state, event, Date.now());
    if (event.type === 'building') this.log.clear();
    if (event.type === 'ready') this.#rebuild = undefined;
    const entered = stageOf(this.#state) !== before;
    if (entered) this.#logger('preview', this.wanted, describe(this.#state));
    this.#onState(this, entered ? event : undefined);
    this.#changes.dispatchEvent(new Event('change'));
  }

  /** Resolves once the preview is ready, has failed, or is cold with nobody at work on it. */
  async settled(signal: AbortSignal): Promise<PreviewState> {
    for await (const { phase } of this.states(signal)) {
      if (phase === 'ready' || phase === 'failed' || (phase === 'cold' && !this.busy)) break;
    }
    return this.#state;
  }

  /** Resolves once it is known whether there is something to build. */
  async begun(signal: AbortSignal): Promise<void> {
    for await (const { phase } of this.states(signal)) {
      if (phase !== 'cold' || !this.busy) break;
    }
  }

  /** Every state from now on, the present one first; ends when `signal` aborts. */
  async *states(signal: AbortSignal): AsyncGenerator<PreviewState> {
    while (!signal.aborted) {
      const told = this.#state;
      yield told;
      // Whoever leaves takes his listener along: a promise would keep something of each.
      if (told === this.#state) await once(this.#changes, 'change', { signal }).catch(() => {});
    }
  }

  async #make(rebuild: Rebuild | undefined, signal: AbortSignal): Promise<void> {
    const witness = this.#witness(signal);
    try {
      await makePreview(this.wanted, this.#stages, witness, rebuild, signal);
    } catch (error) {
      // What was built anew and never answered takes no name from what did.
      if (rebuild !== undefined) await this.#stages.clearAway(this.wanted, undefined);
      throw error;
    }
  }

  /** What a job tells until it is ended: a build takes a moment, and the next job may be at work. */
  #witness(signal: AbortSignal): Witness {
    return {
      tell: (event) => {
        signal.throwIfAborted();
        this.tell(event);
      },
      lines: (lines) => {
        if (!signal.aborted) this.log.write(lines);
      },
      progress: (progress) => {
        if (!signal.aborted) this.#progress(progress);
      },
    };
  }

  #progress({ step, steps, cached }: Readonly<BuildProgress>): void {
    const now = rebuildUnderWay(this.#state) ?? this.#state;
    if (now.phase !== 'building') return;
    if (now.step === step && now.steps === steps && now.cached === cached) return;
    this.tell({ type: 'step', step, steps, cached });
  }

  #begin(job: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#job !== undefined) return this.#job.done;
    // A pool that ends begins nothing more; what it was asked for is told as cancelled.
    const controller = new AbortController();
    const done = this.#run(job, AbortSignal.any([controller.signal, this.#closing])).finally(() => {
      this.#job = undefined;
    });
    this.#job = { done, controller };
    return done;
  }

  async #run(job: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      // First of all: how it failed is told there as well.
      await this.log.begin();
      signal.throwIfAborted();
      await job(signal);
    } catch (error) {
      const failure = toFailure(signal.aborted ? cancelled() : error);
      if (failure.code === 'internal') this.#logger('internal', this.wanted, { error });
      this.log.write([`pool: ${failure.message}`]);
      this.tell({ type: 'failed', failure });
    } finally {
      this.log.end();
    }
  }
}

/** A state as fields of a log line. */
function describe(state: PreviewState): Record<string, unknown> {
  switch (state.phase) {
    case 'queued':
      return { phase: state.phase, position: state.position };
    case 'ready':
      return {
        phase: state.phase,
        endpoint: `${state.endpoint.host}:${state.endpoint.published[state.endpoint.port]}`,
        startMs: state.startMs,
        ...(state.rebuild && { rebuild: describe(state.rebuild) }),
      };
    case 'starting':
      return { phase: state.phase, ...state.build };
    case 'failed':
      return { phase: state.phase, code: state.failure.code, message: state.failure.message };
    case 'cold':
    case 'building':
      return { phase: state.phase };
  }
}
