import { createHash } from 'node:crypto';
import type { ContextPlan } from './context.ts';

/** What of a plan outlives it: small, so that thousands may wait in a queue with theirs. */
export interface Recipe {
  /** The digest of all that the commit decides about its image: 64 hex digits. */
  digest: string;
  /** The image that it stands on, as the Dockerfile spells it. */
  base: string | undefined;
  /** Whether the Dockerfile asks for the commit, so that no other commit has this recipe. */
  asksForCommit: boolean;
  /** What a person should know of the context. */
  notes: readonly string[];
}

/** Counts up whenever the same plan would be packed or built in another way. */
const PACKING_VERSION = 1;

/**
 * The recipe of a plan: commits of one repository that have the same recipe share one image. It
 * does not hold the commit's date, though files in the image carry it: a date would part all
 * commits, and files that are the same may well have the same date. `by` is who builds.
 */
export function recipeOf(
  { dockerfile, target, args, entries, lfs, notes, base }: ContextPlan,
  by: { repository: string; platform: string; builder: string },
): Recipe {
  const { repository, platform, builder } = by;
  const given = Object.entries(args).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash('sha256');
  const chosen = [repository, platform, builder, dockerfile, target ?? null, given];
  hash.update(JSON.stringify([PACKING_VERSION, ...chosen]));
  for (const { mode, object, path } of entries) {
    // The id of a folder also covers what the ignore file leaves out of it.
    hash.update(`\0${mode} ${mode === '040000' ? '' : object} ${path}`);
    // The pointer decides what is fetched for it; no path goes on like this.
    if (lfs.has(object)) hash.update('\0lfs');
  }
  return { digest: hash.digest('hex'), base, asksForCommit: 'POOL_COMMIT' in args, notes };
}
