import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BuildLog } from '../build/build-log.ts';
import type { RepositoryName } from '../address/label.ts';
import { toFailure } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { exited, LAST_LINES } from '../run/await-ready.ts';
import type { Containers } from '../run/containers.ts';
import { toCommitId } from '../source/commit-id.ts';
import type { Route } from './control.ts';
import type { Stages, Wanted } from './make-preview.ts';
import { Preview, type PreviewId, previewId } from './preview.ts';

/** Where the routes of ready previews are published; the front's table, or a proxy's. */
export interface RouteTable {
  publish(route: Route): void;
  withdraw(preview: PreviewId): void;
}

/** Containers found at a start get so long to prove that they answer before visitors are let in. */
const ADOPTION_WAIT_MS = 1000;

/** An engine that shuts down ends containers first; their deaths just before it went are its own. */
const SHUTDOWN_MS = 60_000;

/** All previews of one pool, and the routes to those that are ready. */
export class Previews {
  readonly #stages: Stages;
  readonly #containers: Containers;
  readonly #routes: RouteTable;
  readonly #logs: string;
  readonly #logger: Logger;
  readonly #all = new Map<PreviewId, Preview>();
  #generation = 0;
  #changed = Promise.withResolvers<void>();

  constructor(
    stages: Stages,
    containers: Containers,
    routes: RouteTable,
    logs: string,
    logger: Logger,
  ) {
    this.#stages = stages;
    this.#containers = containers;
    this.#routes = routes;
    this.#logs = logs;
    this.#logger = logger;
  }

  /** Resolves at the next change of any preview's state. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** A preview by its id. */
  get(id: PreviewId): Preview | undefined {
    return this.#all.get(id);
  }

  /** The preview of a commit, made where there is none; starts nothing. */
  of(wanted: Wanted): Preview {
    const id = previewId(wanted);
    let preview = this.#all.get(id);
    if (preview === undefined) {
      const file = join(this.#logs, wanted.repository, `${wanted.commit}.log`);
      const log = new BuildLog(file, (error) => this.#logger('log-lost', wanted, { error }));
      const onState = (changed: Preview) => this.#onState(changed);
      preview = new Preview(wanted, this.#stages, log, onState, this.#logger);
      this.#all.set(id, preview);
    }
    return preview;
  }

  /**
   * Takes over what an earlier process left in the engine: containers that run are previews again,
   * the rest of ours is removed. Waits at most a second for their answers.
   */
  async recover(repositories: ReadonlySet<string>): Promise<void> {
    const adopted: Promise<void>[] = [];
    for (const found of await this.#containers.list()) {
      const commit = toCommitId(found.commit);
      if (found.running && commit !== undefined && repositories.has(found.repository)) {
        const preview = this.of({ repository: found.repository as RepositoryName, commit });
        adopted.push(preview.adopt(found.endpoint, found.build));
      } else if (!found.running) {
        await this.#containers.remove(found.endpoint);
      }
    }
    if (adopted.length > 0)
      await Promise.race([
        Promise.all(adopted),
        sleep(ADOPTION_WAIT_MS, undefined, { ref: false }),
      ]);
  }

  /** A container's process ended: the preview says so, and what it wrote last. */
  async containerDied(containerId: string): Promise<void> {
    const preview = this.#readyOn(containerId);
    if (preview?.state.phase !== 'ready') return;
    const { endpoint } = preview.state;
    try {
      const lines = await this.#containers.lastLines(containerId);
      const vitals = await this.#containers.vitals(containerId);
      if (preview.state.phase !== 'ready' || vitals?.running === true) return;
      await preview.log.begin();
      preview.log.write([LAST_LINES, ...lines]);
      preview.log.end();
      const { message, next } = exited(vitals, 'after it was ready');
      const failure = { code: 'stopped-by-itself', message, next, ours: false } as const;
      preview.tell({ type: 'failed', failure });
      await this.#containers.remove(endpoint);
    } catch (error) {
      this.#logger('died', preview.wanted, { error: toFailure(error).message });
    }
  }

  /** The engine was away: what it ended is cold now, and starts again when somebody visits. */
  async engineBack(): Promise<void> {
    this.#logger('engine', { state: 'back' });
    const found = await this.#containers.list();
    const running = new Set(found.filter((one) => one.running).map((one) => one.id));
    for (const preview of this.#all.values()) {
      const { state } = preview;
      const ended = state.phase === 'ready' && !running.has(state.endpoint.containerId);
      if (ended || diedWithEngine(preview)) preview.tell({ type: 'cooled' });
    }
    for (const left of found.filter((one) => !one.running)) {
      if (!this.#isAtWork(left.repository, left.commit))
        await this.#containers.remove(left.endpoint);
    }
  }

  /** Ends what is under way; ready previews go on running. */
  async close(): Promise<void> {
    await Promise.all([...this.#all.values()].map(async (preview) => await preview.cancel()));
  }

  #onState(preview: Preview): void {
    this.#route(preview);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #route(preview: Preview): void {
    const { state, id, wanted } = preview;
    if (state.phase === 'ready') {
      this.#generation += 1;
      const { commit } = wanted;
      const { endpoint } = state;
      this.#routes.publish({ preview: id, commit, endpoint, generation: this.#generation });
    } else {
      this.#routes.withdraw(id);
    }
  }

  #readyOn(containerId: string): Preview | undefined {
    return this.#all
      .values()
      .find(({ state }) => state.phase === 'ready' && state.endpoint.containerId === containerId);
  }

  #isAtWork(repository: string, commit: string): boolean {
    const preview = this.#all.get(`${repository}/${commit}` as PreviewId);
    return preview?.state.phase === 'starting';
  }
}

function diedWithEngine({ state }: Preview): boolean {
  if (state.phase !== 'failed' || state.failure.code !== 'stopped-by-itself') return false;
  return Date.now() - state.since < SHUTDOWN_MS;
}
