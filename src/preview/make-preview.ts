import type { BuildListener } from '../build/builder.ts';
import type { Image } from '../build/image.ts';
import type { StartedContainer } from '../run/containers.ts';
import type { Endpoint } from '../run/endpoint.ts';
import type { CommitId } from '../source/commit-id.ts';
import type { CommitSettings } from '../source/commit-settings.ts';
import type { Context } from '../source/context.ts';
import type { RepositoryName } from '../address/label.ts';
import type { PreviewEvent } from './state.ts';

/** One commit of one repository, to be made visitable. */
export interface Wanted {
  repository: RepositoryName;
  commit: CommitId;
}

/** The stages between a commit and an endpoint, in pool's words. `main.ts` binds them. */
export interface Stages {
  /** What the commit says of itself. */
  readSettings(wanted: Wanted, signal: AbortSignal): Promise<CommitSettings>;
  /** The image that an earlier build of the commit left. */
  findImage(wanted: Wanted, signal: AbortSignal): Promise<Image | undefined>;
  /** Waits for a turn in the queue of builds. */
  queue<Result>(wanted: Wanted, build: () => Promise<Result>, signal: AbortSignal): Promise<Result>;
  /** The commit's files, packed for the builder. */
  openContext(wanted: Wanted, settings: CommitSettings, signal: AbortSignal): Promise<Context>;
  /** A context to an image. */
  buildImage(
    wanted: Wanted,
    context: Context,
    to: BuildListener,
    signal: AbortSignal,
  ): Promise<Image>;
  /** An image to a container that runs, and that goes away again unless it is kept. */
  startContainer(
    wanted: Wanted,
    image: Image,
    settings: CommitSettings,
    signal: AbortSignal,
  ): Promise<StartedContainer>;
  /** The same of a container that an earlier process started. */
  holdContainer(endpoint: Endpoint): StartedContainer;
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

/** The whole story: how a commit becomes an application that answers. */
export async function makePreview(
  wanted: Wanted,
  stages: Stages,
  witness: Witness,
  signal: AbortSignal,
): Promise<void> {
  const settings = await stages.readSettings(wanted, signal);
  const build = async () => {
    witness.tell({ type: 'building' });
    const context = await stages.openContext(wanted, settings, signal);
    return await stages.buildImage(wanted, context, witness, signal);
  };
  const known = await stages.findImage(wanted, signal);
  const image = known ?? (await stages.queue(wanted, build, signal));
  witness.tell({ type: 'starting', build: image.build });
  await using container = await stages.startContainer(wanted, image, settings, signal);
  const endpoint = await stages.awaitReady(wanted, container, settings, witness, signal);
  witness.tell({ type: 'ready', endpoint });
  container.keep();
}
