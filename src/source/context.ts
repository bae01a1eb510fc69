import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { PreviewError } from '../errors.ts';
import type { RepositoryName } from '../address/label.ts';
import type { CommitId } from './commit-id.ts';
import { type CommitSettings, SETTINGS_FILE } from './commit-settings.ts';
import { streamTar } from './context-tar.ts';
import type { DocumentationChange } from './documentation.ts';
import { readDockerfile } from './dockerfile.ts';
import { type IgnoreRules, parseIgnoreFile } from './dockerignore.ts';
import { fetchLfsFiles, findPointers, type LfsPointer, pointerWords } from './lfs.ts';
import { listTree, readText, type Tree, type TreeEntry } from './objects.ts';
import { type Beyond, emptyWords, SubmoduleFiller, submoduleRefused } from './submodules.ts';

/** What a commit's image is made from, before anything of it is read but names and rules. */
export interface ContextPlan {
  /** The commit's own tree. */
  top: Tree;
  /** The Dockerfile's path inside the context. */
  dockerfile: string;
  target: string | undefined;
  args: Readonly<Record<string, string>>;
  /** The folder that is the context, with a slash after it; empty for the commit's top. */
  root: string;
  /** What the ignore file leaves, with paths from the context's root. */
  entries: readonly TreeEntry[];
  /** The blobs among them that are to be replaced by what Git LFS keeps. */
  lfs: ReadonlyMap<string, LfsPointer>;
  /** What a person should know of it: submodules that are empty folders, files that are pointers. */
  notes: readonly string[];
  /** The image that the built stage stands on, as the Dockerfile spells it. */
  base: string | undefined;
  /** Whether a path from the commit's top changes nothing in the context. */
  leavesOut(path: string): Promise<boolean>;
}

/** A commit's files as its Dockerfile gets them, ready to be streamed once. */
export interface Context extends Pick<ContextPlan, 'dockerfile' | 'target' | 'args'> {
  /** Told where the commit changed documentation alone; found out while it is built. */
  documentation?: Promise<DocumentationChange | undefined>;
  /** A tar of raw blobs with fixed modes and order; the commit's date is every entry's. */
  stream: Readable;
}

/** Both far above what a web application holds, and low enough to end a hostile tree soon. */
const ENTRY_LIMIT = 200_000;
const BYTES_LIMIT = 4 * 2 ** 30;
/** Git itself may need as much memory for it: small differences of small ones can claim any size. */
const BLOB_LIMIT = 2 ** 30;
/** A Dockerfile, an ignore file or a path is text that people wrote. */
const TEXT_LIMIT = 256 * 1024;
const PATH_LIMIT = 4096;
const LINK_LIMIT = 8;

/** Where nobody allowed anything. */
const NOTHING: Beyond = {
  repository: { name: '' as RepositoryName, url: '' },
  submodules: [],
  lfs: false,
  since: 0,
  mirrors: { open: () => '' },
};

const DOCKERFILE = 'Dockerfile';
/** Where a Dockerfile goes that lies outside of the context: builders look nowhere else. */
const OUTSIDE = '.pool.dockerfile';

/**
 * Plans the build of a commit: which of its files its Dockerfile gets, and with what. No path of
 * the commit is opened on the host. Throws `no-dockerfile`, `submodules`, `context-refused` or
 * `pool-yml`, and what `onceFetched` catches.
 */
export async function planContext(
  gitDir: string,
  commit: CommitId,
  settings: CommitSettings,
  signal: AbortSignal,
  beyond: Beyond = NOTHING,
): Promise<ContextPlan> {
  const top: Tree = { gitDir, commit, repository: beyond.repository, at: '', depth: 0 };
  const readInner = async (inner: Tree) => await readTree(inner.gitDir, inner.commit, signal);
  const filler = new SubmoduleFiller(beyond, readInner, ENTRY_LIMIT, signal);
  const { context = '', dockerfile: path = posix.join(context, DOCKERFILE), target } = settings;
  const root = context === '' ? '' : `${context}/`;
  const leadsTo = (folder: string) => [root, path].some((to) => to.startsWith(`${folder}/`));
  const tree = await filler.fill(await readTree(gitDir, commit, signal), top, leadsTo);
  const [lost] = filler.empty;
  if (lost !== undefined) throw submoduleRefused(lost);
  if (root !== '' && !tree.some((entry) => entry.path === context && isFolder(entry))) {
    throw noFolder(context);
  }
  const file = await regularFile(gitDir, tree, path, signal);
  if (file === undefined) throw noDockerfile(tree, path);
  if (file.size > TEXT_LIMIT) throw refuse(`a ${file.path} over ${TEXT_LIMIT / 1024} KiB`);

  const ignoreFiles = [`${path}.dockerignore`, `${root}.dockerignore`];
  const [rules, text] = await Promise.all([
    readIgnoreRules(gitDir, tree, ignoreFiles, signal),
    readText(file.tree?.gitDir ?? gitDir, file.object, signal),
  ]);
  const inContext = async (at: string) =>
    at.startsWith(root) && !(await rules.ignores(at.slice(root.length)));
  const files = below(await filler.fill(tree, top, inContext), root);
  const inside = file.path.startsWith(root);
  const dockerfile = inside ? file.path.slice(root.length) : OUTSIDE;
  if (!inside && files.some((entry) => entry.path === OUTSIDE)) throw refuse(`a file ${OUTSIDE}`);
  const entries = await keep(files, rules, dockerfile, signal);
  if (!inside) entries.push({ ...file, path: OUTSIDE });
  const paths = new Set<string>();
  for (const entry of entries) {
    checkEntry(entry);
    // Of two entries with one name builders take either, and one may be a link.
    if (paths.size === paths.add(entry.path).size)
      throw refuse(`the path ${quoted(entry.path)} twice`);
  }
  const pointers = await findPointers(gitDir, entries, signal);
  const lfs = beyond.lfs ? pointers : new Map<string, LfsPointer>();
  checkBytes(entries, lfs);
  const notes = [...emptyWords(filler.empty), ...pointerWords(entries, pointers, beyond.lfs)];

  const { asksForCommit, base } = readDockerfile(text, target);
  const args = { ...settings.args, ...(asksForCommit ? { POOL_COMMIT: commit } : {}) };
  const decisive = new Set([file.path, ...ignoreFiles]);
  const leavesOut = async (changed: string) =>
    !decisive.has(changed) &&
    (!changed.startsWith(root) || (await rules.ignores(changed.slice(root.length))));
  return { top, dockerfile, target, args, root, entries, lfs, notes, base, leavesOut };
}

/**
 * Opens a planned context: blobs go from the object store into the tar, so a link in a commit
 * reaches nothing, and nothing of them is written to disk. What Git LFS keeps is fetched first;
 * throws `lfs` and `repository-unreadable` where it cannot be.
 */
export async function openContext(
  { top, dockerfile, target, args, entries, lfs }: ContextPlan,
  date: number,
  signal: AbortSignal,
): Promise<Context> {
  const files = await fetchLfsFiles(top, entries, lfs, signal);
  const stream = streamTar(top.gitDir, entries, files, new Date(date), signal);
  return { dockerfile, target, args, stream };
}

async function readTree(
  gitDir: string,
  commit: CommitId,
  signal: AbortSignal,
): Promise<TreeEntry[]> {
  const tree: TreeEntry[] = [];
  let bytes = 0;
  for await (const entry of listTree(gitDir, commit, signal)) {
    tree.push(entry);
    bytes += entry.size;
    if (tree.length > ENTRY_LIMIT) throw refuse(`more than ${ENTRY_LIMIT} entries`);
    if (bytes > BYTES_LIMIT) throw refuse(`more than ${inGiB(BYTES_LIMIT)}`);
  }
  return tree;
}

/** What lies in the folder that is the context's root, with paths from there. */
function below(tree: readonly TreeEntry[], root: string): TreeEntry[] {
  // Ports and variables decide nothing about the image: a change of them must not build another.
  if (root === '') return tree.filter(({ path }) => path !== SETTINGS_FILE);
  const inside = tree.filter(({ path }) => path.startsWith(root));
  return inside.map((entry) => ({ ...entry, path: entry.path.slice(root.length) }));
}

function isFolder({ mode }: TreeEntry): boolean {
  return mode === '040000';
}

/** The file at a path, or the one that a link there leads to inside the commit. */
async function regularFile(
  gitDir: string,
  tree: readonly TreeEntry[],
  path: string,
  signal: AbortSignal,
): Promise<TreeEntry | undefined> {
  let at = path;
  for (let links = 0; links <= LINK_LIMIT; links++) {
    const entry = tree.find((one) => one.path === at);
    if (entry?.mode.startsWith('100')) return entry;
    if (entry?.mode !== '120000' || entry.size > PATH_LIMIT) return undefined;
    const to = await readText(entry.tree?.gitDir ?? gitDir, entry.object, signal);
    if (to.startsWith('/')) return undefined;
    at = posix.join(posix.dirname(at), to);
  }
  return undefined;
}

/** `Dockerfile.dockerignore` goes before `.dockerignore`, as BuildKit has it. */
async function readIgnoreRules(
  gitDir: string,
  tree: readonly TreeEntry[],
  names: readonly string[],
  signal: AbortSignal,
): Promise<IgnoreRules> {
  const file = names
    .map((name) => tree.find((entry) => entry.path === name && entry.mode.startsWith('100')))
    .find((entry) => entry !== undefined);
  if (file === undefined) return { ignores: () => Promise.resolve(false) };
  if (file.size > TEXT_LIMIT) throw refuse(`a ${file.path} over ${TEXT_LIMIT / 1024} KiB`);
  try {
    return parseIgnoreFile(await readText(file.tree?.gitDir ?? gitDir, file.object, signal));
  } catch (error) {
    if (error instanceof SyntaxError) throw unreadableRules(file.path, error);
    throw error;
  }
}

/** What the rules leave, plus the folders above what they let back in, plus the Dockerfile. */
async function keep(
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

/** Submodules and Git LFS count as well. */
function checkBytes(entries: readonly TreeEntry[], lfs: ReadonlyMap<string, LfsPointer>): void {
  let bytes = 0;
  for (const entry of entries) {
    const size = lfs.get(entry.object)?.size ?? entry.size;
    checkEntry({ ...entry, size });
    bytes += size;
  }
  if (bytes > BYTES_LIMIT) throw refuse(`more than ${BYTES_LIMIT / 2 ** 30} GiB`);
}

function noFolder(path: string): PreviewError {
  return new PreviewError(
    'pool-yml',
    `The context is to be the folder ${path}, which this commit does not have.`,
    'Mend "context" in .pool.yml in a new commit, or in the configuration of pool.',
  );
}

function noDockerfile(tree: readonly TreeEntry[], wanted: string): PreviewError {
  const elsewhere = tree
    .flatMap(({ mode, path }) => (/^1[02]0/.test(mode) ? [path] : []))
    .filter((path) => /(^|\/)(dockerfile|containerfile)([.-][^/]*)?$|\.dockerfile$/i.test(path))
    .slice(0, 5);
  const found = elsewhere.length > 0 ? ` It has ${elsewhere.join(', ')}.` : '';
  const missing =
    wanted === DOCKERFILE
      ? `This commit has no Dockerfile at its top.${found}`
      : `This commit has no file ${wanted} to be its Dockerfile.${found}`;
  const there = tree.find(({ path }) => path === wanted);
  const other =
    there?.mode === '120000'
      ? `${wanted} is a link that leads to no file of this commit.`
      : there && `${wanted} of this commit is no file but a folder.${found}`;
  return new PreviewError(
    'no-dockerfile',
    other ?? missing,
    'Commit one there or name the right one in .pool.yml, and visit that commit; or name it for all commits, with "dockerfile" and "context" of its repository in pool.config.ts.',
  );
}

function unreadableRules(path: string, cause: Error): PreviewError {
  return new PreviewError(
    'context-refused',
    `${path} cannot be read: ${cause.message}.`,
    'Mend that line, commit, and visit the new commit.',
    { cause },
  );
}

function refuse(what: string): PreviewError {
  return new PreviewError(
    'context-refused',
    `This commit is not built, for it has ${what}.`,
    'Leave such files out of the commit or of the context, by a line in .dockerignore.',
  );
}
