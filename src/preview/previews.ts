import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BuildLog } from '../build/build-log.ts';
import type { RepositoryName } from '../address/label.ts';
import { toFailure } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { toCommitId } from '../mirror/commit-id.ts';
import { exited, LAST_LINES } from '../run/await-ready.ts';
import type { Containers, Vitals } from '../run/containers.ts';
import type { Endpoint } from '../run/endpoint.ts';
import type { FoundContainer } from '../run/found-container.ts';
import type { Route } from './control.ts';
import { type Happened, type Journal, toEntry } from './journal.ts';
import type { Stages, Wanted } from './make-preview.ts';
import { Preview, type PreviewId, previewId } from './preview.ts';
import type { PreviewEvent } from './state.ts';

/** Where the routes of ready previews are published; the front's table, or a proxy's. */
export interface RouteTable {
  publish(route: Route): void;
  withdraw(preview: PreviewId): void;
}

/** Containers found at a start get so long to prove that they answer before visitors are let in. */
const ADOPTION_WAIT_MS = 1000;

/** An engine that shuts down ends containers first; their deaths just before it went are its own. */
const SHUTDOWN_MS = 60_000;

/** Some 2 KB each: crawlers may ask for every commit of a long history. */
const REMEMBERED = 10_000;

/** As much of what happened as one reads. */
const SHOWN = 20;

/** 128 + SIGKILL and 128 + SIGTERM: how `docker stop`, `kill` and `rm` end a container. */
const STOPPED = new Set([137, 143]);

/** What is asked of the containers that exist. */
type OwnContainers = Pick<Containers, 'list' | 'vitals' | 'lastLines' | 'remove' | 'unpause'>;

/** All previews of one pool, and the routes to those that are ready. */
export class Previews {
  readonly #stages: Stages;
  readonly #containers: OwnContainers;
  readonly #routes: RouteTable;
  readonly #logs: string;
  readonly #journal: Journal;
  readonly #logger: Logger;
  readonly #closing: AbortSignal;
  readonly #all = new Map<PreviewId, Preview>();
  /** Those that have a route now. */
  readonly #routed = new WeakSet<Endpoint>();
  #generation = 0;

  /** `change`, whenever the state of any preview does. */
  readonly changes = new EventTarget();

  constructor(
    stages: Stages,
    containers: OwnContainers,
    routes: RouteTable,
    logs: string,
    journal: Journal,
    logger: Logger,
    closing: AbortSignal,
  ) {
    this.#stages = stages;
    this.#containers = containers;
    this.#routes = routes;
    this.#logs = logs;
    this.#journal = journal;
    this.#logger = logger;
    this.#closing = closing;
    // As many listen as look at the strip; Node takes more than ten for a leak.
    setMaxListeners(0, this.changes);
  }

  /** A preview by its id. */
  get(id: PreviewId): Preview | undefined {
    return this.#all.get(id);
  }

  /** What happened to a preview last, newest first. */
  happened(id: PreviewId): Happened[] {
    return this.#journal.last(id, SHOWN);
  }

  /** The previews that were asked for since pool started, less cold ones beyond the limit. */
  all(): Iterable<Preview> {
    return this.#all.values();
  }

  /** Stops a preview and removes its container; visitors still in it are cut off. */
  async stop(preview: Preview): Promise<void> {
    await preview.stop();
    const { repository, commit } = preview.wanted;
    // By its labels: one that was just being taken over after a restart is none of the state's yet.
    for (const left of await this.#containers.list()) {
      const meant = left.repository === repository && left.commit === commit;
      if (meant && preview.state.phase === 'cold' && !preview.busy) {
        await this.#containers.remove(left.endpoint);
      }
    }
  }

  /** The preview of a commit, made where there is none; starts nothing. */
  of(wanted: Wanted): Preview {
    const id = previewId(wanted);
    let preview = this.#all.get(id);
    if (preview === undefined) {
      const file = join(this.#logs, wanted.repository, `${wanted.commit}.log`);
      const log = new BuildLog(file, (error) => this.#logger('log-lost', wanted, { error }));
      const onState = (changed: Preview, entered?: PreviewEvent) => this.#onState(changed, entered);
      preview = new Preview(wanted, this.#stages, log, onState, this.#logger, this.#closing);
      if (this.#all.size >= REMEMBERED) this.#forgetOne();
      this.#all.set(id, preview);
    }
    return preview;
  }

  /** The oldest that is cold: its history and its log are in files. */
  #forgetOne(): void {
    const cold = this.#all.values().find(({ state, busy }) => state.phase === 'cold' && !busy);
    if (cold !== undefined) this.#all.delete(cold.id);
  }

  /**
   * Takes over what an earlier process left in the engine: a container that runs is a preview
   * again, what ended, was never started or is a second one is removed. One of a repository that
   * is served no longer is left alone, and said. Waits at most a second for their answers, and not
   * for what is removed: `gone` says when that is done.
   */
  async recover(repositories: ReadonlySet<string>): Promise<{ gone: Promise<unknown> }> {
    const removed: Promise<void>[] = [];
    const adopted = new Map<Preview, Promise<void>>();
    // Of two the older one was ready: the other was to replace it, and nobody knows whether it can.
    const all = (await this.#containers.list()).toSorted((a, b) => a.createdAt - b.createdAt);
    for (const found of all) {
      const preview = this.#previewOf(found, repositories);
      if (!found.running || (preview !== undefined && adopted.has(preview))) {
        // Nobody waits for it: whoever needs its name meanwhile waits for its end.
        removed.push(this.#removeLeftOver(found));
      } else if (preview === undefined) {
        const { id, repository, commit } = found;
        this.#logger('unserved', { container: id.slice(0, 12), repository, commit });
      } else {
        adopted.set(preview, this.#adopt(preview, found));
      }
    }
    if (adopted.size > 0)
      await Promise.race([
        Promise.all(adopted.values()),
        sleep(ADOPTION_WAIT_MS, undefined, { ref: false }),
      ]);
    return { gone: Promise.all(removed) };
  }

  #previewOf(
    { repository, commit }: FoundContainer,
    repositories: ReadonlySet<string>,
  ): Preview | undefined {
    const id = toCommitId(commit);
    if (id === undefined || !repositories.has(repository)) return undefined;
    return this.of({ repository: repository as RepositoryName, commit: id });
  }

  async #adopt(preview: Preview, { id, paused, endpoint, build }: FoundContainer): Promise<void> {
    // One that somebody paused takes connections and never answers.
    if (paused) await this.#containers.unpause(id).catch(() => {});
    await preview.adopt(endpoint, build);
  }

  /**
   * A container's process ended: the preview says so, and what it wrote last. Its route goes first,
   * before anybody else can listen on its port.
   */
  async containerDied(containerId: string): Promise<void> {
    const preview = this.#readyOn(containerId);
    if (preview?.state.phase !== 'ready') return;
    const { endpoint } = preview.state;
    this.#routes.withdraw(preview.id);
    this.#routed.delete(endpoint);
    try {
      const lines = await this.#containers.lastLines(containerId);
      const vitals = await this.#containers.vitals(containerId);
      if (this.#readyOn(containerId) !== preview) return;
      // It was started again, on the same ports.
      if (vitals?.running === true) return this.#route(preview);
      if (preview.busy) return await this.#diedBesideRebuild(preview, endpoint, lines);
      await preview.log.begin();
      if (this.#readyOn(containerId) !== preview) {
        // A new job ends the log itself.
        if (!preview.busy) preview.log.end();
        return;
      }
      preview.log.write([LAST_LINES, ...lines]);
      preview.log.end();
      if (wasStopped(vitals)) {
        preview.tell({ type: 'cooled', why: 'stopped' });
        return await this.#containers.remove(endpoint);
      }
      const { message, next } = exited(vitals, 'after it was ready', lines);
      const failure = { code: 'stopped-by-itself', message, next, ours: false } as const;
      preview.tell({ type: 'failed', failure });
      await this.#containers.remove(endpoint);
    } catch (error) {
      this.#logger('died', preview.wanted, { error: toFailure(error).message });
      if (this.#readyOn(containerId) === preview) {
        preview.tell({ type: 'cooled', why: 'engine-away' });
      }
    }
  }

  /** A rebuild that is under way goes on, and now visitors wait for it. */
  async #diedBesideRebuild(preview: Preview, endpoint: Endpoint, lines: readonly string[]) {
    preview.log.write([LAST_LINES, ...lines]);
    preview.tell({ type: 'cooled', why: 'ended' });
    await this.#containers.remove(endpoint);
  }

  /** An image's HEALTHCHECK came to a result: it is shown. */
  async healthChanged(containerId: string): Promise<void> {
    // Where the engine is away there is nothing to show.
    const vitals = await this.#containers.vitals(containerId).catch(() => undefined);
    const preview = this.#readyOn(containerId);
    if (vitals?.health !== undefined) preview?.tell({ type: 'health', health: vitals.health });
  }

  /**
   * The engine may have been away: what it ended is cold now, and starts again when somebody
   * visits; what is left of ours and ended, or was replaced by a rebuild, is removed.
   */
  async lookAround(): Promise<void> {
    const asked = Date.now();
    const found = await this.#containers.list();
    const running = new Set(found.filter((one) => one.running).map((one) => one.id));
    for (const preview of this.#all.values()) {
      const { state } = preview;
      // What became ready meanwhile is younger than the list.
      const listed = state.phase === 'ready' && state.since < asked;
      const ended = listed && !running.has(state.endpoint.containerId);
      if (ended || diedWithEngine(preview)) {
        preview.tell({ type: 'cooled', why: 'engine-away' });
      }
    }
    for (const left of found) {
      if (!this.#isAtWork(left) && (!left.running || this.#isReplaced(left, asked)))
        await this.#removeLeftOver(left);
    }
  }

  /** A container was made: by nobody here where a pool that was killed had asked for it. */
  async containerMade(repository: string, commit: string): Promise<void> {
    if (this.#known(repository, commit)?.busy !== true) await this.lookAround();
  }

  /** One container that cannot be removed must not keep pool from starting. */
  async #removeLeftOver(left: FoundContainer): Promise<void> {
    await this.#containers.remove(left.endpoint).catch((error: unknown) => {
      const { repository, commit } = left;
      this.#logger('left-over', { repository, commit, error: toFailure(error).message });
    });
  }

  /** Waits for the end of what was under way when pool was closed; ready previews go on running. */
  async close(): Promise<void> {
    await Promise.all([...this.#all.values()].map(async (preview) => await preview.cancel()));
  }

  #onState(preview: Preview, entered: PreviewEvent | undefined): void {
    this.#route(preview);
    const entry = entered && toEntry(entered, preview.state);
    if (entry !== undefined) this.#journal.add(preview.id, entry, Date.now());
    this.changes.dispatchEvent(new Event('change'));
  }

  #route(preview: Preview): void {
    const { state, id, wanted } = preview;
    if (state.phase === 'ready') {
      const { commit } = wanted;
      const { endpoint } = state;
      // A route that is published anew loses its connections.
      if (this.#routed.has(endpoint)) return;
      this.#routed.add(endpoint);
      this.#generation += 1;
      this.#routes.publish({ preview: id, commit, endpoint, generation: this.#generation });
      void this.healthChanged(endpoint.containerId);
    } else {
      this.#routes.withdraw(id);
    }
  }

  #readyOn(containerId: string): Preview | undefined {
    return this.#all
      .values()
      .find(({ state }) => state.phase === 'ready' && state.endpoint.containerId === containerId);
  }

  #isAtWork({ id, repository, commit }: FoundContainer): boolean {
    const preview = this.#known(repository, commit);
    return preview?.busy === true || (preview !== undefined && preview === this.#readyOn(id));
  }

  /** Another container of its commit was ready before these were asked for. */
  #isReplaced({ repository, commit }: FoundContainer, asked: number): boolean {
    const { phase, since } = this.#known(repository, commit)?.state ?? { phase: 'cold', since: 0 };
    return phase === 'ready' && since < asked;
  }

  /** The preview that a container's labels name. */
  #known(repository: string, commit: string): Preview | undefined {
    return this.#all.get(`${repository}/${commit}` as PreviewId);
  }
}

/** Somebody stopped or removed the container, which is no fault of the application. */
function wasStopped(vitals: Vitals | undefined): boolean {
  if (vitals === undefined) return true;
  return !vitals.outOfMemory && STOPPED.has(vitals.exitCode);
}

function diedWithEngine({ state }: Preview): boolean {
  if (state.phase !== 'failed' || state.failure.code !== 'stopped-by-itself') return false;
  return Date.now() - state.since < SHUTDOWN_MS;
}
