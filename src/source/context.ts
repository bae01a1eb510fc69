import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import { PreviewError } from '../errors.ts';
import type { CommitId } from './commit-id.ts';
import { type IgnoreRules, parseIgnoreFile } from './dockerignore.ts';
import { type Blob, listTree, readBlobs, readText, type TreeEntry } from './objects.ts';

/** A commit's files as its Dockerfile gets them, ready to be streamed once. */
export interface Context {
  dockerfile: string;
  /** How many files and links it has. */
  files: number;
  /** Bytes of all blobs. */
  bytes: number;
  /** A tar of raw blobs with fixed modes and order; the commit's date is every entry's. */
  stream: Readable;
}

/** Both far above what a web application holds, and low enough to end a hostile tree soon. */
const ENTRY_LIMIT = 200_000;
const BYTES_LIMIT = 4 * 2 ** 30;
/** An ignore file or a path is text that people wrote. */
const IGNORE_FILE_LIMIT = 256 * 1024;
const PATH_LIMIT = 4096;

const DOCKERFILE = 'Dockerfile';
/** The pointer's own specification keeps it below 1024 bytes. */
const LFS_POINTER_LIMIT = 1024;
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';

/**
 * Opens the build context of a commit. Nothing is written to disk and no path of the commit is
 * opened on the host: blobs go from the object store into the tar, so a link in a commit reaches
 * nothing. Throws `no-dockerfile`, `submodules`, `context-refused` or, while streaming, `lfs`.
 */
export async function openContext(
  gitDir: string,
  commit: CommitId,
  date: number,
  signal: AbortSignal,
): Promise<Context> {
  const tree: TreeEntry[] = [];
  let bytes = 0;
  for await (const entry of listTree(gitDir, commit, signal)) {
    tree.push(entry);
    bytes += entry.size;
    if (tree.length > ENTRY_LIMIT) throw refuse(`more than ${ENTRY_LIMIT} entries`);
    if (bytes > BYTES_LIMIT) throw refuse(`more than ${BYTES_LIMIT / 2 ** 30} GiB`);
  }
  if (!tree.some(isDockerfile)) throw noDockerfile(tree);

  const rules = await readIgnoreRules(gitDir, tree, signal);
  const entries = await keep(tree, rules);
  for (const entry of entries) checkPath(entry.path);
  const module = entries.find((entry) => entry.mode === '160000');
  if (module !== undefined) throw submodule(module.path);

  const files = entries.filter((entry) => entry.mode !== '040000');
  return {
    dockerfile: DOCKERFILE,
    files: files.length,
    bytes: files.reduce((sum, entry) => sum + entry.size, 0),
    stream: streamTar(gitDir, entries, new Date(date), signal),
  };
}

/** A file, or a link that the builder follows inside the context; never a folder. */
function isDockerfile({ path, mode }: TreeEntry): boolean {
  return path === DOCKERFILE && (mode.startsWith('100') || mode === '120000');
}

/** `Dockerfile.dockerignore` goes before `.dockerignore`, as BuildKit has it. */
async function readIgnoreRules(
  gitDir: string,
  tree: readonly TreeEntry[],
  signal: AbortSignal,
): Promise<IgnoreRules> {
  const names = [`${DOCKERFILE}.dockerignore`, '.dockerignore'];
  const file = names
    .map((name) => tree.find((entry) => entry.path === name && entry.mode.startsWith('100')))
    .find((entry) => entry !== undefined);
  if (file === undefined) return { ignores: () => Promise.resolve(false) };
  if (file.size > IGNORE_FILE_LIMIT) throw refuse(`a ${file.path} over 256 KiB`);
  try {
    return parseIgnoreFile(await readText(gitDir, file.object, signal));
  } catch (error) {
    if (error instanceof SyntaxError) throw unreadableRules(file.path, error);
    throw error;
  }
}

/** What the rules leave, plus the folders above what they let back in, plus the Dockerfile. */
async function keep(tree: readonly TreeEntry[], rules: IgnoreRules): Promise<TreeEntry[]> {
  const kept: TreeEntry[] = [];
  let waiting: TreeEntry[] = [];
  for (const entry of tree) {
    waiting = waiting.filter((folder) => entry.path.startsWith(`${folder.path}/`));
    const needed = entry.path === DOCKERFILE || entry.path === '.dockerignore';
    if (needed || !(await rules.ignores(entry.path))) {
      kept.push(...waiting, entry);
      waiting = [];
    } else if (entry.mode === '040000') {
      waiting.push(entry);
    }
  }
  return kept;
}

function checkPath(path: string): void {
  const named = path.length <= PATH_LIMIT && !path.includes('\uFFFD');
  const inside = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!named || !inside) throw refuse(`the path ${JSON.stringify(path.slice(0, 80))}`);
}

function streamTar(
  gitDir: string,
  entries: readonly TreeEntry[],
  mtime: Date,
  signal: AbortSignal,
): Readable {
  const tar = pack();
  const stream = Readable.from(tar, { objectMode: false });
  // Whoever reads may go away with half of the tar: git must not wait for him.
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  writeEntries(tar, gitDir, entries, mtime, AbortSignal.any([signal, gone.signal])).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return stream;
}

type Header = Parameters<Pack['entry']>[0];

async function writeEntries(
  tar: Pack,
  gitDir: string,
  entries: readonly TreeEntry[],
  mtime: Date,
  signal: AbortSignal,
): Promise<void> {
  const objects = entries.filter((entry) => entry.mode !== '040000').map((entry) => entry.object);
  const blobs = readBlobs(gitDir, objects, signal);
  for (const entry of entries) {
    if (entry.mode === '040000') {
      await writeEntry(tar, { name: entry.path, type: 'directory', mode: 0o755, mtime });
      continue;
    }
    const { value: blob } = await blobs.next();
    if (blob === undefined) throw new Error('git gave fewer blobs than it was asked for');
    if (entry.mode === '120000') {
      const linkname = (await collect(blob.chunks)).toString('utf8');
      await writeEntry(tar, { name: entry.path, type: 'symlink', linkname, mode: 0o777, mtime });
    } else {
      const mode = entry.mode === '100755' ? 0o755 : 0o644;
      const header: Header = { name: entry.path, mode, mtime, size: blob.size };
      await writeFile(tar, header, refusePointer(entry.path, blob), signal);
    }
  }
  await blobs.return(undefined);
}

async function writeFile(
  tar: Pack,
  header: Header,
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const { entry, written } = beginEntry(tar, header);
  for await (const chunk of chunks) {
    if (!entry.write(chunk)) {
      await once(entry as unknown as NodeJS.EventEmitter, 'drain', { signal });
    }
  }
  entry.end(null);
  await written;
}

async function writeEntry(tar: Pack, header: Header): Promise<void> {
  await beginEntry(tar, header).written;
}

/** A tar that is destroyed tells each of its entries, whether somebody still waits for it or not. */
function beginEntry(tar: Pack, header: Header) {
  const { promise: written, resolve, reject } = Promise.withResolvers<void>();
  const entry = tar.entry(header, (error) => (error ? reject(error) : resolve()));
  entry.on('error', reject);
  written.catch(() => {});
  return { entry, written };
}

/** Passes a small blob's bytes on, unless they are a pointer to a file that is kept elsewhere. */
async function* refusePointer(path: string, blob: Blob): AsyncGenerator<Buffer> {
  if (blob.size > LFS_POINTER_LIMIT) return yield* blob.chunks;
  const bytes = await collect(blob.chunks);
  if (bytes.toString('latin1', 0, LFS_POINTER.length) === LFS_POINTER) throw lfsPointer(path);
  yield bytes;
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

function noDockerfile(tree: readonly TreeEntry[]): PreviewError {
  const elsewhere = tree
    .map((entry) => entry.path)
    .filter((path) => /(^|\/)(dockerfile|containerfile)([.-][^/]*)?$|\.dockerfile$/i.test(path))
    .slice(0, 5);
  const found = elsewhere.length > 0 ? ` It has ${elsewhere.join(', ')}.` : '';
  return new PreviewError(
    'no-dockerfile',
    `This commit has no Dockerfile at its top.${found}`,
    'Add a file named Dockerfile to the top folder of the repository, commit it, and visit that commit.',
  );
}

function submodule(path: string): PreviewError {
  return new PreviewError(
    'submodules',
    `${path} is a submodule, and pool does not fetch submodules yet.`,
    'Put the files into the repository, or leave the folder out with a line in .dockerignore.',
  );
}

function lfsPointer(path: string): PreviewError {
  return new PreviewError(
    'lfs',
    `${path} is kept in Git LFS, and pool does not fetch from LFS yet.`,
    'Put the file itself into the repository, or leave it out with a line in .dockerignore.',
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
