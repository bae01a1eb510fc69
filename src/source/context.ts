import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { PreviewError } from '../errors.ts';
import type { CommitId } from '../mirror/commit-id.ts';
import type { LfsPointer } from '../mirror/lfs-fetch.ts';
import { readText } from '../mirror/object-reader.ts';
import type { CommitSettings } from './commit-settings.ts';
import {
  below,
  checkEntries,
  isFolder,
  keep,
  PATH_LIMIT,
  readTree,
  refuse,
} from './context-entries.ts';
import { streamTar } from './context-tar.ts';
import type { DocumentationChange } from './documentation.ts';
import { readDockerfile } from './dockerfile.ts';
import { type IgnoreRules, parseIgnoreFile } from './dockerignore.ts';
import { fetchLfsFiles, findPointers, pointerWords } from './lfs.ts';
import type { Tree, TreeEntry } from './objects.ts';
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

/** A Dockerfile or an ignore file is text that people wrote. */
const TEXT_LIMIT = 256 * 1024;
const LINK_LIMIT = 8;

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
  beyond: Beyond,
): Promise<ContextPlan> {
  const top: Tree = { gitDir, commit, repository: beyond.repository, at: '', depth: 0 };
  const filler = new SubmoduleFiller(beyond, signal);
  const { context = '', dockerfile: path = posix.join(context, DOCKERFILE), target } = settings;
  const root = context === '' ? '' : `${context}/`;
  const leadsTo = (folder: string) => [root, path].some((to) => to.startsWith(`${folder}/`));
  const tree = await filler.fill(await readTree(top, signal), top, leadsTo);
  const [lost] = filler.empty;
  if (lost !== undefined) throw submoduleRefused(lost);
  if (root !== '' && !tree.some((entry) => entry.path === context && isFolder(entry))) {
    throw noFolder(context);
  }
  const read = async (entry: TreeEntry) =>
    await readText(entry.tree?.gitDir ?? gitDir, entry.object, signal);
  const file = await regularFile(tree, path, read);
  if (file === undefined) throw noDockerfile(tree, path);
  if (file.size > TEXT_LIMIT) throw refuse(`a ${file.path} over ${TEXT_LIMIT / 1024} KiB`);

  const ignoreFiles = [`${path}.dockerignore`, `${root}.dockerignore`];
  const [rules, text] = await Promise.all([readIgnoreRules(tree, ignoreFiles, read), read(file)]);
  const inContext = async (at: string) =>
    at.startsWith(root) && !(await rules.ignores(at.slice(root.length)));
  const files = below(await filler.fill(tree, top, inContext), root);
  const inside = file.path.startsWith(root);
  const dockerfile = inside ? file.path.slice(root.length) : OUTSIDE;
  if (!inside && files.some((entry) => entry.path === OUTSIDE)) throw refuse(`a file ${OUTSIDE}`);
  const entries = await keep(files, rules, dockerfile, signal);
  if (!inside) entries.push({ ...file, path: OUTSIDE });
  const pointers = await findPointers(gitDir, entries, signal);
  const lfs = beyond.lfs ? pointers : new Map<string, LfsPointer>();
  checkEntries(entries, lfs);
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

/** The file at a path, or the one that a link there leads to inside the commit. */
async function regularFile(
  tree: readonly TreeEntry[],
  path: string,
  read: (entry: TreeEntry) => Promise<string>,
): Promise<TreeEntry | undefined> {
  let at = path;
  for (let links = 0; links <= LINK_LIMIT; links++) {
    const entry = tree.find((one) => one.path === at);
    if (entry?.mode.startsWith('100')) return entry;
    if (entry?.mode !== '120000' || entry.size > PATH_LIMIT) return undefined;
    const to = await read(entry);
    if (to.startsWith('/')) return undefined;
    at = posix.join(posix.dirname(at), to);
  }
  return undefined;
}

/** `Dockerfile.dockerignore` goes before `.dockerignore`, as BuildKit has it. */
async function readIgnoreRules(
  tree: readonly TreeEntry[],
  names: readonly string[],
  read: (entry: TreeEntry) => Promise<string>,
): Promise<IgnoreRules> {
  const file = names
    .map((name) => tree.find((entry) => entry.path === name && entry.mode.startsWith('100')))
    .find((entry) => entry !== undefined);
  if (file === undefined) return { ignores: () => Promise.resolve(false) };
  if (file.size > TEXT_LIMIT) throw refuse(`a ${file.path} over ${TEXT_LIMIT / 1024} KiB`);
  try {
    return parseIgnoreFile(await read(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw unreadableRules(file.path, error);
    throw error;
  }
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
