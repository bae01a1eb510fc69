import type { CommitId } from '../mirror/commit-id.ts';
import type { ContextPlan } from './context.ts';
import { changedPaths } from './objects.ts';
import { plainLine } from '../plain-text.ts';

/** Told where a build was needed for documentation alone. */
export interface DocumentationChange {
  /** The files that changed, as far as one reads. */
  files: string[];
  /** The lines of `.dockerignore` that make such a commit instant. */
  lines: string[];
}

/** More changed files than this are no small matter; a page names fewer. */
const FILES_LIMIT = 1000;
const SHOWN = 5;
const PATH_SHOWN = 200;

/** Git holds all that changed before it tells any of it, and a few objects can be millions of files. */
const LOOK_LIMIT_MS = 1000;

const FOLDER = /^(?:.*\/)?(?:docs?|documentation)(?=\/)/i;
/** Never `.txt` alone: robots.txt, requirements.txt and CMakeLists.txt are no documentation. */
const FILE =
  /\.(?:md|markdown|rst|adoc|asciidoc)$|(?:^|\/)(?:readme|licen[cs]e|copying|notice|authors|contributors|contributing|changelog|changes|history|news|security|code_of_conduct)(?:[.-][^/]*)?$/i;
/** What means just itself in a line of `.dockerignore`. */
const PLAIN = /^[A-Za-z0-9_.][A-Za-z0-9_./-]{0,199}$/;

/**
 * Whether a commit differs from its first parent in documentation alone, as far as its image is
 * concerned. Pool does not know what the application shows of it: it advises, and leaves out nothing.
 * Throws where that takes long.
 */
export async function documentationChange(
  gitDir: string,
  [parent]: readonly CommitId[],
  commit: CommitId,
  { root, args, leavesOut }: Pick<ContextPlan, 'root' | 'args' | 'leavesOut'>,
  signal: AbortSignal,
): Promise<DocumentationChange | undefined> {
  // Where the commit itself is in the recipe, no line makes another one instant.
  if (parent === undefined || 'POOL_COMMIT' in args) return undefined;
  const changed: string[] = [];
  const limited = AbortSignal.any([signal, AbortSignal.timeout(LOOK_LIMIT_MS)]);
  for await (const path of changedPaths(gitDir, parent, commit, limited)) {
    if (changed.push(path) > FILES_LIMIT) return undefined;
  }
  const files: string[] = [];
  for (const path of changed) if (!(await leavesOut(path))) files.push(path);
  const lines = [...new Set(files.map((path) => lineFor(path.slice(root.length))))];
  const known = lines.filter((line) => line !== undefined);
  if (files.length === 0 || known.length < lines.length || known.length > SHOWN) return undefined;
  const more = files.length - SHOWN;
  const named = files.slice(0, SHOWN).map((path) => plainLine(path).slice(0, PATH_SHOWN));
  const shown = [...named, ...(more > 0 ? [`and ${more} more`] : [])];
  return { files: shown, lines: known };
}

/** The line that leaves a file of documentation out; `undefined` for any other file. */
function lineFor(path: string): string | undefined {
  const line = FOLDER.exec(path)?.[0] ?? (FILE.test(path) ? path : undefined);
  return line !== undefined && PLAIN.test(line) ? line : undefined;
}
