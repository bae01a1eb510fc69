import { setMaxListeners } from 'node:events';
import { mkdir, realpath } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatLabel, type RepositoryName, toRepositoryName } from './address/label.ts';
import { readLogins } from './build/credentials.ts';
import {
  imageNames,
  rebuildNames,
  removeAllNameless,
  removeImage,
  removeName,
} from './build/image.ts';
import type { Config } from './config/config.ts';
import { variableNames } from './config/environment.ts';
import { controlListener } from './desk/control-listener.ts';
import { deskListener } from './desk/desk.ts';
import { controlSocket } from './desk/verbs.ts';
import { connectEngine, type Engine, exposedOn, isLoopback } from './engine/connect.ts';
import { instanceOf } from './engine/labels.ts';
import { createFront } from './front/front.ts';
import { LIMITS } from './front/limits.ts';
import { Routes } from './front/routes.ts';
import { Upstream } from './front/upstream.ts';
import { close, listen, listenAlone, listenOn } from './listen.ts';
import { lockFolder } from './lock-folder.ts';
import type { Logger } from './logger.ts';
import { toCommitId } from './mirror/commit-id.ts';
import { History } from './mirror/history.ts';
import { clearLeftOverGit } from './mirror/left-over-git.ts';
import { FRESHNESS } from './mirror/look-up.ts';
import type { Mirror } from './mirror/mirror.ts';
import { openMirrors } from './mirror/open-mirrors.ts';
import { SubmoduleMirrors } from './mirror/submodule-mirrors.ts';
import { BuildQueue } from './preview/build-queue.ts';
import { controlPlane, labeller } from './preview/control-plane.ts';
import { Journal } from './preview/journal.ts';
import type { Wanted } from './preview/make-preview.ts';
import type { PreviewId } from './preview/preview.ts';
import { Previews } from './preview/previews.ts';
import { Containers } from './run/containers.ts';
import { HostPorts } from './run/host-ports.ts';
import { watchContainers } from './run/watch.ts';
import { bindStages } from './stages.ts';

/** A pool that serves. */
export interface Pool extends AsyncDisposable {
  /** The URL of pool's own page, as visitors reach it. */
  home: string;
  /** `pool.localhost:8080`: the first domain with the port that is listened on. */
  site: string;
  mirrors: ReadonlyMap<RepositoryName, Mirror>;
  engine: { host: string; version: string };
  /** The URL of a preview, by full id or slug. */
  urlOf(repository: string, ref: string): string;
}

/** Answers under way when pool ends get so long to reach their visitors. */
const DRAIN_MS = 10_000;

/** Wires everything together, finds what an earlier process left, and listens. */
export async function openPool(
  config: Config,
  logger: Logger,
  hostPorts = new HostPorts(config.portRange),
): Promise<Pool> {
  const closing = new AbortController();
  const { signal } = closing;
  // Whatever cannot be done below undoes what was done above it.
  await using opening = new AsyncDisposableStack();
  opening.defer(() => closing.abort());
  // As many wait for the end as there are visitors; Node takes more than ten for a leak.
  setMaxListeners(0, signal);

  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const dataDir = await realpath(config.dataDir);
  const lock = lockFolder(dataDir);
  opening.defer(() => lock[Symbol.dispose]());
  // Two sockets: what visitors of the bare domain are led to has no verb to reach.
  const commands = createServer();
  await listenAlone(commands, controlSocket(dataDir));
  opening.defer(async () => await close(commands));
  const desk = createServer();
  const deskSocket = join(dataDir, 'desk.sock');
  await listenOn(desk, deskSocket);
  opening.defer(async () => await close(desk));
  const instance = config.instance ?? instanceOf(dataDir);
  const found = await connectEngine(config.engine, process.env, config.publishOn);
  const engine =
    config.builder === 'auto' ? found : { ...found, buildKit: config.builder === 'buildkit' };

  const parent = join(dataDir, 'mirrors');
  await clearLeftOverGit(parent);
  const mirrors = await openMirrors(config.repositories, parent, logger, signal);
  const served = new Map(config.repositories.map((one) => [one.name, one]));
  const servedOf = ({ repository, commit }: Wanted) => {
    const mirror = mirrors.get(repository);
    const ours = served.get(repository);
    if (mirror === undefined || ours === undefined) {
      throw new Error(`there is no mirror of ${repository}`);
    }
    return { mirror, settings: ours, refs: mirror.table.at(commit) };
  };

  const history = new History(signal);
  const containers = new Containers(engine, instance, hostPorts, {
    memoryBytes: config.limits.memory,
    processes: config.limits.processes,
    capabilities: config.capabilities,
    publishOn: config.publishOn,
  });
  if (!isLoopback(config.publishOn)) logger('exposed', exposedOn(config.publishOn));
  const queue = new BuildQueue(
    { concurrency: config.buildConcurrency, waiting: config.queueLimit },
    (id, position) => previews.get(id as PreviewId)?.tell({ type: 'queued', position }),
  );
  const label = labeller(mirrors);
  const hostnameOf = ({ repository, commit }: Wanted) =>
    `${label(repository, commit)}.${config.domains[0]}`;
  const stages = bindStages({
    engine,
    instance,
    config,
    logins: readLogins(process.env),
    history,
    submoduleMirrors: new SubmoduleMirrors(parent, signal),
    containers,
    queue,
    servedOf,
    hostnameOf,
    urlOf: (wanted) => urlAt(hostnameOf(wanted)),
  });
  const routes = new Routes();
  const logs = join(dataDir, 'logs');
  const journal = new Journal(join(dataDir, 'history.sqlite'), (error) =>
    logger('history-lost', { error: error.message }),
  );
  opening.defer(() => journal[Symbol.dispose]());
  const previews = new Previews(stages, containers, routes, logs, journal, logger, signal);
  const freshness = { ...FRESHNESS, refreshMs: config.refreshMs };
  const variables = async (wanted: Wanted) => {
    const { settings: ours, refs } = servedOf(wanted);
    return await variableNames(ours, refs);
  };
  const control = controlPlane(mirrors, previews, history, variables, freshness, logger, signal);
  const { refreshMs } = config;
  const known = { mirrors, previews, history };
  desk.on('request', deskListener({ ...known, refreshMs, logger, closing: signal }));
  commands.on(
    'request',
    controlListener({
      ...known,
      domains: config.domains,
      control,
      labelOf: ({ repository, commit }) => label(repository, commit),
      urlOf: (wanted) => urlAt(hostnameOf(wanted)),
      async built() {
        const names = await imageNames(engine, instance);
        return names.flatMap((name) => toWanted(name) ?? []);
      },
      removeImage: async ({ repository, commit }) =>
        await removeImage(engine, { instance, repository }, commit),
      logger,
    }),
  );
  // Commands are answered before the front listens, and after.
  let { port } = config.listen;
  const front = createFront({
    domains: config.domains,
    routes,
    control,
    desk: new Upstream({ socketPath: deskSocket }, 'http', { ...LIMITS, connections: Infinity }),
    holdMs: config.holdMs,
    noindex: config.noindex,
    trustedProxies: config.trustedProxies,
    logger,
    closing: signal,
  });

  const say = (error: unknown) => logger('engine', { error });
  const { gone } = await previews.recover(new Set(mirrors.keys()));
  await clearKilledRebuilds(engine, instance, gone).catch(say);
  const listener = {
    died: (id: string) => void previews.containerDied(id),
    checked: (id: string) => void previews.healthChanged(id),
    made: (repository: string, commit: string) =>
      void previews.containerMade(repository, commit).catch(say),
    listening: () => void previews.lookAround().catch(say),
  };
  void watchContainers(engine, instance, listener, signal);
  await listen(front, config.listen);
  ({ port } = front.address() as AddressInfo);

  /** The URL of a host name as visitors reach it. */
  function urlAt(hostname: string): string {
    const url = new URL(config.publicUrl ?? listened());
    url.hostname = hostname;
    return url.href;
  }
  function listened(): URL {
    return new URL(`http://${config.domains[0]}:${port}`);
  }
  opening.move();
  return {
    home: urlAt(config.domains[0] ?? ''),
    site: listened().host,
    mirrors,
    engine: { host: engine.host, version: engine.version },
    urlOf(repository, ref) {
      const commit = toCommitId(ref);
      const named = formatLabel(ref, mirrors.size > 1 ? repository : undefined);
      const best = commit === undefined ? (named ?? ref) : label(repository, commit);
      return urlAt(`${best}.${config.domains[0]}`);
    },
    async [Symbol.asyncDispose]() {
      const drained = close(front);
      // A connection that was busy just now is idle soon: nobody else would close it.
      const idle = setInterval(() => front.closeIdleConnections(), 100);
      // Ends event streams and whatever is being made; answers under way go on.
      closing.abort();
      const ended = Promise.all([drained, previews.close()]);
      await Promise.race([ended, sleep(DRAIN_MS, undefined, { ref: false })]);
      clearInterval(idle);
      front.closeAllConnections();
      for (const server of [desk, commands]) {
        server.closeAllConnections();
        await close(server);
      }
      journal[Symbol.dispose]();
      lock[Symbol.dispose]();
    },
  };
}

/** Removes the images of rebuilds that a killed pool had begun, once their containers are `gone`. */
async function clearKilledRebuilds(
  engine: Engine,
  instance: string,
  gone: Promise<unknown>,
): Promise<void> {
  const names = await rebuildNames(engine, instance);
  // There is seldom one, and who starts waits for nothing else.
  if (names.length > 0) await gone;
  await Promise.all(names.map(async (name) => await removeName(engine, name)));
  await removeAllNameless(engine, instance);
}

/** What an image's name says: `<repository>:<commit>`. */
function toWanted(name: string): Wanted | undefined {
  const [repository, commit] = name.split(':');
  const named = toRepositoryName(repository ?? '');
  const id = toCommitId(commit ?? '');
  return named === undefined || id === undefined ? undefined : { repository: named, commit: id };
}
