import PQueue from 'p-queue';
import { buildImage, builderOf } from './build/builder.ts';
import {
  findImage,
  imageLabels,
  imageName,
  nameImage,
  recipeTag,
  removeNameless,
} from './build/image.ts';
import type { Config } from './config/config.ts';
import { environmentOf } from './config/environment.ts';
import type { RepositoryConfig } from './config/repository.ts';
import type { Engine } from './engine/connect.ts';
import type { BuildQueue } from './preview/build-queue.ts';
import type { Stages, Wanted } from './preview/make-preview.ts';
import { previewId } from './preview/preview.ts';
import { awaitReady } from './run/await-ready.ts';
import type { Containers } from './run/containers.ts';
import { type CommitSettings, readSettings } from './source/commit-settings.ts';
import { type ContextPlan, openContext, planContext } from './source/context.ts';
import { documentationChange } from './source/documentation.ts';
import type { History } from './source/history.ts';
import type { Mirror } from './source/mirror.ts';
import { recipeOf } from './source/recipe.ts';
import type { Ref } from './source/ref-table.ts';

/** What the stages of one pool are made of. */
export interface StageParts {
  engine: Engine;
  instance: string;
  config: Config;
  history: History;
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

/** Binds the stages of the story (`preview/make-preview.ts`) to git, the engine and the configuration. */
export function bindStages(parts: StageParts): Stages {
  const { engine, instance, config, history, containers, queue } = parts;
  const { servedOf, hostnameOf, urlOf } = parts;
  const planning = new PQueue({ concurrency: PLANS_AT_ONCE });
  // Weakly: a build whose turn comes at once finds its plan here, and none waits in the queue.
  const plans = new WeakMap<CommitSettings, WeakRef<ContextPlan>>();
  const plan = async (wanted: Wanted, asked: CommitSettings, over: AbortSignal) => {
    const known = plans.get(asked)?.deref();
    if (known !== undefined) return known;
    const made = await planning.add(
      async () => await planContext(servedOf(wanted).mirror.folder, wanted.commit, asked, over),
      { signal: over },
    );
    plans.set(asked, new WeakRef(made));
    return made;
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
    async shareImage({ repository, commit }, { digest, base }, over) {
      const shelf = { instance, repository };
      const image = await findImage(engine, shelf, commit, recipeTag(digest), over);
      if (image === undefined) return undefined;
      await nameImage(engine, image.id, shelf, commit);
      return { ...image, build: { ...image.build, base } };
    },
    queue: (wanted, { digest }, build, over) =>
      queue.turn(previewId(wanted), `${wanted.repository}/${digest}`, build, over),
    async openContext(wanted, asked, over) {
      const { mirror } = servedOf(wanted);
      const planned = await plan(wanted, asked, over);
      const { date, parents } = await history.commit(mirror, wanted.commit);
      const change = documentationChange(mirror, parents, wanted.commit, planned, over);
      // An advice is worth no failed build.
      const documentation = change.catch(() => undefined);
      return { ...openContext(mirror.folder, planned, date, over), documentation };
    },
    async buildImage({ repository, commit }, recipe, context, anew, listener, over) {
      const shelf = { instance, repository };
      const tag = imageName(shelf, recipeTag(recipe.digest));
      const labels = engine.buildKit ? imageLabels(shelf, commit, recipe) : {};
      const request = { context, tag, labels, anew };
      // Whatever comes of it: the context is open, and only the build closes it.
      const old =
        anew && (await findImage(engine, shelf, commit, commit, over).catch(() => undefined));
      const { id, build } = await buildImage(
        engine,
        request,
        listener,
        config.buildTimeoutMs,
        over,
      );
      await nameImage(engine, id, shelf, commit);
      // Where it cannot be removed it takes room, and no more.
      if (old !== undefined) await removeNameless(engine, old.id).catch(() => {});
      const { digest, base, asksForCommit } = recipe;
      const documentation = await context.documentation;
      return { id, build: { ...build, recipe: digest, base, asksForCommit, documentation } };
    },
    startContainer(wanted, image, asked, over) {
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
      return containers.start({ image, name, repository, commit, environment, ports }, over);
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
