import { z } from 'zod';
import type { Engine } from '../engine/connect.ts';
import { askEngine } from '../engine/ask.ts';
import { isMissing } from '../engine/engine-error.ts';
import { LABEL, labelFilter } from '../engine/labels.ts';

/** Where an image came from: a build, or an earlier build of the same commit. */
export const BuildSummary = z.discriminatedUnion('reused', [
  z.object({
    reused: z.literal(false),
    builder: z.enum(['buildkit', 'classic']),
    ms: z.number(),
    /** Steps of the Dockerfile that the build came to, and how many of them the cache had. */
    steps: z.number(),
    cached: z.number(),
  }),
  z.object({ reused: z.literal(true) }),
]);
export type BuildSummary = z.infer<typeof BuildSummary>;

/** An image that is ready to be started. */
export interface Image {
  id: string;
  build: BuildSummary;
}

/** The labels of a commit's image: what finds it again. */
export function imageLabels(
  instance: string,
  repository: string,
  commit: string,
): Record<string, string> {
  return {
    [LABEL.instance]: instance,
    [LABEL.repository]: repository,
    [LABEL.commit]: commit,
  };
}

/**
 * The image that an earlier build made, where the engine still has it. It must have pool's name as
 * well as its labels: a Dockerfile can write any label, but no name.
 */
export async function findImage(
  engine: Engine,
  name: string,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Image | undefined> {
  const filters = { ...labelFilter(labels), reference: [name] };
  const found = engine.docker.listImages({ filters });
  const [image] = await askEngine('looking for an earlier image', found, signal);
  return image && { id: image.Id, build: { reused: true } };
}

/** The names (`<repository>:<commit>`) of all images of this pool, whoever built them. */
export async function imageNames(engine: Engine, instance: string): Promise<string[]> {
  const prefix = `pool-${instance}/`;
  const filters = { ...labelFilter({ [LABEL.instance]: instance }), reference: [`${prefix}*`] };
  const images = await askEngine('looking for images', engine.docker.listImages({ filters }));
  return images
    .flatMap(({ RepoTags }) => RepoTags ?? [])
    .filter((tag) => tag.startsWith(prefix))
    .map((tag) => tag.slice(prefix.length));
}

/** Takes a name away, and the image with its last name. */
export async function removeImage(engine: Engine, name: string): Promise<void> {
  const gone = engine.docker.getImage(name).remove({ force: true });
  await askEngine('removing the image', gone).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}
