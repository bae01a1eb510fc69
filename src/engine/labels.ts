import { createHash } from 'node:crypto';

/**
 * The labels by which pool finds its own images, containers and networks again. What they say is
 * the truth about what exists; an object without `instance` is somebody else's and never touched.
 */
export const LABEL = {
  /** Which pool made it: two pools may share one engine. */
  instance: 'dev.pool.instance',
  repository: 'dev.pool.repository',
  commit: 'dev.pool.commit',
  /** What an image was made from: the digest of its recipe, and the name of the image below it. */
  recipe: 'dev.pool.recipe',
  /**
   * On an image: the Dockerfile's word on which port answers by default. A container inherits its
   * image's labels, and gets each of these anew: on it this is pool's choice.
   */
  port: 'dev.pool.port',
  /** The rule that chose the container's port, and whether nothing named it: "true". */
  portRule: 'dev.pool.port-rule',
  portGuessed: 'dev.pool.port-guessed',
  /** The build that made the image: JSON of a `BuildSummary`. */
  build: 'dev.pool.build',
} as const;

/** The instance that lives in a data folder: the same after a crash, and after the folder is lost. */
export function instanceOf(dataDir: string): string {
  return createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
}

/** The engine's filter for objects that carry all of `labels`. */
export function labelFilter(labels: Readonly<Record<string, string>>): { label: string[] } {
  return { label: Object.entries(labels).map(([name, value]) => `${name}=${value}`) };
}
