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
  /** What an image was made from: the digest, and the image below it. */
  recipe: 'dev.pool.recipe',
  base: 'dev.pool.base',
  /** The container's port that answers by default, and the rule that chose it. */
  port: 'dev.pool.port',
  portRule: 'dev.pool.port-rule',
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
