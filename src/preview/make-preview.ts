import type { BuildListener } from '../build/builder.ts';
import type { Image } from '../build/image.ts';
import type { CommitId } from '../mirror/commit-id.ts';
import type { StartedContainer } from '../run/containers.ts';
import type { Endpoint } from '../run/endpoint.ts';
import type { CommitSettings } from '../source/commit-settings.ts';
import type { Context } from '../source/context.ts';
import type { Recipe } from '../source/recipe.ts';
import type { RepositoryName } from '../address/label.ts';
import type { PreviewEvent } from './state.ts';

/** One commit of one repository, to be made visitable. */
export interface Wanted {
  repository: RepositoryName;
  commit: CommitId;
}

/** A build of what may have been built before: with no cached step. */
export interface Rebuild {
  /** Whether registries are asked, for newer base images and for what CI made. */
  pull: boolean;
  /** The container that serves on until the new image answers. */
  beside?: Endpoint;
}

/** The stages between a commit and an endpoint, in pool's words. `stages.ts` binds them. */
export interface Stages {
  /**
   * What the commit and its operator say of it. Throws `pool-yml`, or `env-missing` where the
   * operator's environment for it is not complete.
   */
  readSettings(wanted: Wanted, signal: AbortSignal): Promise<CommitSettings>;
  /** The image that is known as the commit's. */
  findImage(wanted: Wanted, signal: AbortSignal): Promise<Image | undefined>;
  /** The name of the image that CI made of the commit, where the operator says that it does. */
  madeElsewhere(wanted: Wanted): string | undefined;
  /**
   * Pulls that image; `undefined` where its registry has none. For a rebuild that pulls nothing it
   * is the one that the engine has under that name.
   */
  pullImage(
    wanted: Wanted,
    reference: string,
    rebuild: Rebuild | undefined,
    to: BuildListener,
    signal: AbortSignal,
  ): Promise<Image | undefined>;
  /** What the commit's image is made from. */
  readRecipe(wanted: Wanted, settings: CommitSettings, signal: AbortSignal): Promise<Recipe>;
  /** The image of an earlier commit with this recipe, from now on known as this commit's too. */
  shareImage(wanted: Wanted, recipe: Recipe, signal: AbortSignal): Promise<Image | undefined>;
  /** Waits for a turn in the queue of builds; those of one recipe never have theirs side by side. */
  queue<Result>(
    wanted: Wanted,
    recipe: Pick<Recipe, 'digest'>,
    build: () => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result>;
  /** The commit's files, packed for the builder. */
  openContext(wanted: Wanted, settings: CommitSettings, signal: AbortSignal): Promise<Context>;
  /** A context to an image. */
  buildImage(
    wanted: Wanted,
    recipe: Recipe,
    context: Context,
    rebuild: Rebuild | undefined,
    to: BuildListener,
    signal: AbortSignal,
  ): Promise<Image>;
  /** An image to a container that runs, and that goes away again unless it is kept. */
  startContainer(
    wanted: Wanted,
    image: Image,
    settings: CommitSettings,
    beside: Endpoint | undefined,
    signal: AbortSignal,
  ): Promise<StartedContainer>;
  /** The same of a container that an earlier process started. */
  holdContainer(endpoint: Endpoint): StartedContainer;
  /** Gives an image that was built anew, and answers, the names of the old one, whose id it returns. */
  replaceImage(wanted: Wanted, image: Image, signal: AbortSignal): Promise<string | undefined>;
  /**
   * Removes what nothing leads to after a rebuild, the new image where it failed, else the `old`
   * one. Never throws.
   */
  clearAway(wanted: Wanted, old: string | undefined): Promise<void>;
  /** Waits until the application answers as `settings` ask. */
  awaitReady(
    wanted: Wanted,
    container: StartedContainer,
    settings: CommitSettings,
    to: BuildListener,
    signal: AbortSignal,
  ): Promise<Endpoint>;
}

/** Who is told how it goes. */
export interface Witness extends BuildListener {
  tell(event: PreviewEvent): void;
}

/**
 * The whole story: how a commit becomes an application that answers. `rebuild` makes its image anew,
 * whatever image there is; what it is made beside is removed once it answers.
 */
export async function makePreview(
  wanted: Wanted,
  stages: Stages,
  witness: Witness,
  rebuild: Rebuild | undefined,
  signal: AbortSignal,
): Promise<void> {
  const begun = Date.now();
  const [settings, known] = await Promise.all([
    stages.readSettings(wanted, signal),
    rebuild === undefined ? stages.findImage(wanted, signal) : undefined,
  ]);
  const { id, build } =
    known ?? (await obtainImage(wanted, settings, stages, witness, rebuild, signal));
  const image = { id, build: build.reused ? { ...build, ms: Date.now() - begun } : build };
  witness.tell({ type: 'starting', build: image.build });
  const beside = rebuild?.beside;
  await using container = await stages.startContainer(wanted, image, settings, beside, signal);
  const endpoint = await stages.awaitReady(wanted, container, settings, witness, signal);
  const old = rebuild && (await stages.replaceImage(wanted, image, signal));
  witness.tell({ type: 'ready', endpoint });
  container.keep();
  if (rebuild === undefined) return;
  if (beside !== undefined) await stages.holdContainer(beside)[Symbol.asyncDispose]();
  await stages.clearAway(wanted, old);
}

/** The image that CI made, else that of an earlier commit with this recipe, else one that is built. */
async function obtainImage(
  wanted: Wanted,
  settings: CommitSettings,
  stages: Stages,
  witness: Witness,
  rebuild: Rebuild | undefined,
  signal: AbortSignal,
): Promise<Image> {
  const elsewhere = stages.madeElsewhere(wanted);
  const here = rebuild?.pull === false;
  const pull = async (reference: string) => {
    witness.tell({ type: 'building', ...(!here && { pulling: true }) });
    witness.lines([`pool: ${here ? 'looking in the engine for' : 'pulling'} ${reference}`]);
    return await stages.pullImage(wanted, reference, rebuild, witness, signal);
  };
  if (elsewhere !== undefined) {
    const turn = async () => await pull(elsewhere);
    const pulled = await stages.queue(wanted, { digest: elsewhere }, turn, signal);
    if (pulled !== undefined) return pulled;
  }
  const recipe = await stages.readRecipe(wanted, settings, signal);
  const share = async () => {
    if (rebuild !== undefined) return undefined;
    const image = await stages.shareImage(wanted, recipe, signal);
    if (image !== undefined) witness.lines(['pool: an earlier commit has the same recipe']);
    return image;
  };
  const build = async () => {
    witness.tell({ type: 'building' });
    const missing = elsewhere && (here ? `${elsewhere} in this engine` : elsewhere);
    if (missing !== undefined) witness.lines([`pool: no image ${missing}, so it is built`]);
    const context = await stages.openContext(wanted, settings, signal);
    const image = await stages.buildImage(wanted, recipe, context, rebuild, witness, signal);
    return missing === undefined ? image : { ...image, build: { ...image.build, missing } };
  };
  // Another commit may have been built by this recipe while this one stood in the queue.
  const turn = async () => (await share()) ?? (await build());
  return (await share()) ?? (await stages.queue(wanted, recipe, turn, signal));
}
