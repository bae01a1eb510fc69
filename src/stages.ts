import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import { buildImage, builderOf } from './build/builder.ts';
import type { Logins } from './build/credentials.ts';
import {
  findImage,
  imageLabels,
  imageName,
  nameImage,
  PULLED,
  rebuildTag,
  recipeTag,
  removeName,
  removeNameless,
} from './build/image.ts';
import { pullImage } from './build/pull.ts';
import type { Config } from './config/config.ts';
import { environmentOf } from './config/environment.ts';
import { imageReference, type RepositoryConfig, SHORT } from './config/repository.ts';
import type { Engine } from './engine/connect.ts';
import { PreviewError } from './errors.ts';
import type { History } from './mirror/history.ts';
import type { Mirror } from './mirror/mirror.ts';
import type { Ref } from './mirror/ref-table.ts';
import { onceFetched, type SubmoduleMirrors } from './mirror/submodule-mirrors.ts';
import type { BuildQueue } from './preview/build-queue.ts';
import type { Stages, Wanted } from './preview/make-preview.ts';
import { previewId } from './preview/preview.ts';
import { awaitReady } from './run/await-ready.ts';
import type { Containers } from './run/containers.ts';
import { type CommitSettings, readSettings } from './source/commit-settings.ts';
import { type ContextPlan, openContext, planContext } from './source/context.ts';
import { documentationChange } from './source/documentation.ts';
import { recipeOf } from './source/recipe.ts';

/** What the stages of one pool are made of. */
export interface StageParts {
  logins: Logins;
  engine: Engine;
  instance: string;
  config: Config;
  history: History;
  submoduleMirrors: SubmoduleMirrors;
  containers: Containers;
  queue: BuildQueue;
  /** The mirror that has a commit, what its operator set for it, and the refs that name it. */
  servedOf: (wanted: Wanted) => {
    mirror: Mirror;
    settings: RepositoryConfig;
    refs: readonly Ref[];
  };
  hostnameOf: (wanted: Wanted) => string;
  urlOf: (wanted: Wanted) => string;
}

/** Each reads a whole tree into memory; visitors of a thousand commits may come at once. */
const PLANS_AT_ONCE = 4;

/** By then a build has begun; few are over. */
const ADVICE_AFTER_MS = 30;

/** Binds the stages of the story (`preview/make-preview.ts`) to git, the engine and the configuration. */
export function bindStages(parts: StageParts): Stages {
  const { engine, instance, config, logins, history, submoduleMirrors, containers, queue } = parts;
  const { servedOf, hostnameOf, urlOf } = parts;
  const planning = new PQueue({ concurrency: PLANS_AT_ONCE });
  // Weakly: a build whose turn comes at once finds its plan here, and none waits in the queue.
  const plans = new WeakMap<CommitSettings, WeakRef<ContextPlan>>();
  const plan = async (wanted: Wanted, asked: CommitSettings, over: AbortSignal) => {
    const made = plans.get(asked)?.deref() ?? (await planAnew(wanted, asked, over));
    plans.set(asked, new WeakRef(made));
    return made;
  };
  const planAnew = async (wanted: Wanted, asked: CommitSettings, over: AbortSignal) => {
    const { mirror, settings } = servedOf(wanted);
    const { submodules, lfs } = settings;
    const known = { repository: mirror.repository, submodules, lfs, mirrors: submoduleMirrors };
    const attempt = async (since: number) =>
      await planContext(mirror.folder, wanted.commit, asked, over, { ...known, since });
    return await onceFetched(
      async (since) => await planning.add(async () => await attempt(since), { signal: over }),
      over,
    );
  };
  return {
    async readSettings(wanted, over) {
      const { mirror, settings: ours, refs } = servedOf(wanted);
      const operators = await environmentOf(ours, refs);
      const theirs = await readSettings(mirror.folder, wanted.commit, ours.settings, over);
      return { ...theirs, env: { ...theirs.env, ...operators } };
    },
    findImage: ({ repository, commit }, over) =>
      findImage(engine, { instance, repository }, commit, commit, over),
    async readRecipe(wanted, asked, over) {
      const { repository } = wanted;
      const by = { repository, platform: engine.platform, builder: builderOf(engine) };
      return recipeOf(await plan(wanted, asked, over), by);
    },
    async shareImage({ repository, commit }, { digest, base, notes }, over) {
      const shelf = { instance, repository };
      const image = await findImage(engine, shelf, commit, recipeTag(digest), over);
      if (image === undefined) return undefined;
      await nameImage(engine, image.id, shelf, commit);
      const told = { recipe: digest, base, notes: notes.length === 0 ? undefined : [...notes] };
      return { ...image, build: { ...image.build, ...told } };
    },
    madeElsewhere(wanted) {
      const { mirror, settings: ours } = servedOf(wanted);
      const { repository, commit } = wanted;
      if (ours.image === undefined) return undefined;
      const found = mirror.table.find(commit.slice(0, SHORT));
      // Seven digits that stand for another commit too lead to an image of who knows which.
      const alone = found.kind === 'commit' && found.commit === commit;
      if (ours.image.includes('{short}') && !alone) return undefined;
      return imageReference(ours.image, repository, commit);
    },
    async pullImage(wanted, reference, anew, listener, over) {
      const { repository, commit } = wanted;
      const shelf = { instance, repository };
      const begun = Date.now();
      const tag = imageName(shelf, anew ? rebuildTag(commit) : commit);
      const labels = imageLabels(shelf, commit, { digest: PULLED, base: reference, notes: [] });
      const request = { reference, tag, labels, logins, here: anew?.pull === false };
      const id = await pullImage(engine, request, listener, config.buildTimeoutMs, over);
      if (id === undefined) return undefined;
      return { id, build: { reused: true, pulled: reference, ms: Date.now() - begun } };
    },
    queue: (wanted, { digest }, build, over) =>
      queue.turn(previewId(wanted), `${wanted.repository}/${digest}`, build, over),
    async openContext(wanted, asked, over) {
      const { mirror } = servedOf(wanted);
      const planned = await plan(wanted, asked, over);
      const { date, parents } = await history.commit(mirror, wanted.commit);
      // Not at once: to start a process takes this one some ms, and the build is waited for.
      const change = sleep(ADVICE_AFTER_MS, undefined, { signal: over }).then(
        async () => await documentationChange(mirror.folder, parents, wanted.commit, planned, over),
      );
      // An advice is worth no failed build.
      const documentation = change.catch(() => undefined);
      return { ...(await openContext(planned, date, over)), documentation };
    },
    async buildImage({ repository, commit }, recipe, context, anew, listener, over) {
      const shelf = { instance, repository };
      const tag = imageName(shelf, anew ? rebuildTag(commit) : recipeTag(recipe.digest));
      const labels = engine.buildKit ? imageLabels(shelf, commit, recipe) : {};
      const request = { context, tag, labels, access: { hosts: config.registries, logins }, anew };
      listener.lines(recipe.notes.map((note) => `pool: ${note}`));
      const { id, build } = await buildImage(
        engine,
        request,
        listener,
        config.buildTimeoutMs,
        over,
      ).catch((error: unknown) => {
        throw withNotes(error, recipe.notes);
      });
      const { digest, base, asksForCommit, notes } = recipe;
      const [documentation] = await Promise.all([
        context.documentation,
        anew === undefined && nameImage(engine, id, shelf, commit),
      ]);
      const origin = { recipe: digest, base, notes: notes.length === 0 ? undefined : [...notes] };
      return { id, build: { ...build, ...origin, asksForCommit, documentation } };
    },
    async replaceImage({ repository, commit }, { id, build }, over) {
      const shelf = { instance, repository };
      const old = await findImage(engine, shelf, commit, commit, over);
      const { recipe } = build;
      if (recipe !== undefined) await nameImage(engine, id, shelf, recipeTag(recipe));
      await nameImage(engine, id, shelf, commit);
      return old?.id;
    },
    async clearAway({ repository, commit }, old) {
      const name = imageName({ instance, repository }, rebuildTag(commit));
      await removeName(engine, name).catch(() => {});
      if (old !== undefined) await removeNameless(engine, old).catch(() => {});
    },
    startContainer(wanted, image, asked, beside, over) {
      const { repository, commit } = wanted;
      const hostname = hostnameOf(wanted);
      const environment = {
        ...asked.env,
        POOL_COMMIT: commit,
        POOL_REPOSITORY: repository,
        POOL_BASE_DOMAIN: config.domains[0] ?? '',
        POOL_HOSTNAME: hostname,
        POOL_URL: urlOf(wanted),
      };
      const name = `pool-${instance}-${repository}-${commit}`;
      const { port: ports = [] } = asked;
      const request = { image, name, repository, commit, environment, ports };
      return containers.start({ ...request, beside: beside?.containerId }, over);
    },
    holdContainer: (endpoint) => containers.hold(endpoint),
    awaitReady(wanted, container, { health, protocol }, listener, over) {
      const lines = (written: readonly string[]) => listener.lines(written);
      return awaitReady(
        containers,
        container,
        hostnameOf(wanted),
        lines,
        config.startTimeoutMs,
        over,
        { health, protocol },
      );
    },
  };
}

/** Whoever reads why a build failed should know what it was not given. */
function withNotes(error: unknown, notes: readonly string[]): unknown {
  if (!(error instanceof PreviewError) || error.code !== 'build-failed') return error;
  const { code, message, next } = error;
  return new PreviewError(code, message, [next, ...notes].join(' '), { cause: error });
}
