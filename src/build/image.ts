import { z } from 'zod';
import type { Engine } from '../engine/connect.ts';
import { engineError } from '../engine/engine-error.ts';
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

/** The image that an earlier build made, by its labels, where the engine still has it. */
export async function findImage(
  engine: Engine,
  labels: Readonly<Record<string, string>>,
): Promise<Image | undefined> {
  try {
    const images = await engine.docker.listImages({ filters: labelFilter(labels) });
    const newest = images.toSorted((a, b) => b.Created - a.Created).at(0);
    return newest && { id: newest.Id, build: { reused: true } };
  } catch (error) {
    throw engineError(error, 'looking for an earlier image');
  }
}
