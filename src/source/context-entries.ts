import { PreviewError } from '../errors.ts';
import type { LfsPointer } from '../mirror/lfs-fetch.ts';
import { SETTINGS_FILE } from './commit-settings.ts';
import type { IgnoreRules } from './dockerignore.ts';
import { listTree, type Tree, type TreeEntry } from './objects.ts';

/** Both far above what a web application holds, and low enough to end a hostile tree soon. */
export const ENTRY_LIMIT = 200_000;
const BYTES_LIMIT = 4 * 2 ** 30;
/** Git itself may need as much memory for it: small differences of small ones can claim any size. */
const BLOB_LIMIT = 2 ** 30;
/** No system opens a longer one. */
export const PATH_LIMIT = 4096;

/** All entries of a commit; throws before a hostile tree fills the memory. */
export async function readTree(of: Tree, signal: AbortSignal): Promise<TreeEntry[]> {
  const tree: TreeEntry[] = [];
  let bytes = 0;
  for await (const entry of listTree(of, signal)) {
    tree.push(entry);
    bytes += entry.size;
    if (tree.length > ENTRY_LIMIT) throw refuse(`more than ${ENTRY_LIMIT} entries`);
    if (bytes > BYTES_LIMIT) throw refuse(`more than ${inGiB(BYTES_LIMIT)}`);
  }
  return tree;
}

/** What lies in the folder that is the context's root, with paths from there. */
export function below(tree: readonly TreeEntry[], root: string): TreeEntry[] {
  // Ports and variables decide nothing about the image: a change of them must not build another.
  if (root === '') return tree.filter(({ path }) => path !== SETTINGS_FILE);
  const inside = tree.filter(({ path }) => path.startsWith(root));
  return inside.map((entry) => ({ ...entry, path: entry.path.slice(root.length) }));
}

/** What the rules leave, plus the folders above what they let back in, plus the Dockerfile. */
export async function keep(
  tree: readonly TreeEntry[],
  rules: IgnoreRules,
  dockerfile: string,
  signal: AbortSignal,
): Promise<TreeEntry[]> {
  const kept: TreeEntry[] = [];
  let waiting: TreeEntry[] = [];
  for (const entry of tree) {
    signal.throwIfAborted();
    waiting = waiting.filter((folder) => entry.path.startsWith(`${folder.path}/`));
    const isFile = entry.mode !== '160000';
    const needed = isFile && (entry.path === dockerfile || entry.path === '.dockerignore');
    if (needed || !(await rules.ignores(entry.path))) {
      kept.push(...waiting, entry);
      waiting = [];
    } else if (isFolder(entry)) {
      waiting.push(entry);
    }
  }
  return kept;
}

/** Refuses what no application needs: submodules and what Git LFS keeps count as well. */
export function checkEntries(
  entries: readonly TreeEntry[],
  lfs: ReadonlyMap<string, LfsPointer>,
): void {
  const paths = new Set<string>();
  let bytes = 0;
  for (const entry of entries) {
    const size = lfs.get(entry.object)?.size ?? entry.size;
    checkEntry({ ...entry, size });
    // Of two entries with one name builders take either, and one may be a link.
    if (paths.size === paths.add(entry.path).size)
      throw refuse(`the path ${quoted(entry.path)} twice`);
    bytes += size;
  }
  if (bytes > BYTES_LIMIT) throw refuse(`more than ${inGiB(BYTES_LIMIT)}`);
}

/** Why a commit with `what` is not built. */
export function refuse(what: string): PreviewError {
  return new PreviewError(
    'context-refused',
    `This commit is not built, for it has ${what}.`,
    'Leave such files out of the commit or of the context, by a line in .dockerignore.',
  );
}

/** Whether an entry is a folder, which holds others and no bytes. */
export function isFolder({ mode }: TreeEntry): boolean {
  return mode === '040000';
}

function checkEntry({ path, mode, size }: TreeEntry): void {
  const named = path.length <= PATH_LIMIT && !path.includes('\uFFFD');
  const inside = path.split('/').every((part) => !/^(|\.|\.\.|\.git)$/i.test(part));
  if (!named || !inside) throw refuse(`the path ${quoted(path)}`);
  // The tar holds a link's text in a header: it is read into memory.
  if (mode === '120000' && size > PATH_LIMIT)
    throw refuse(`the link ${quoted(path)}, which is longer than any path`);
  if (size > BLOB_LIMIT) {
    throw refuse(`${quoted(path)} of ${inGiB(size)}; one file may have ${inGiB(BLOB_LIMIT)}`);
  }
}

function inGiB(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function quoted(path: string): string {
  return JSON.stringify(path.slice(0, 80));
}
