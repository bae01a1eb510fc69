import type { Readable } from 'node:stream';
import { PreviewError } from '../errors.ts';
import { ByteReader } from '../mirror/byte-reader.ts';
import type { CommitId } from '../mirror/commit-id.ts';
import { runGit } from '../mirror/git-process.ts';
import type { Repository } from '../mirror/remote-access.ts';

/** What `git ls-tree` may say of one entry: far above any path that a system opens. */
const RECORD_LIMIT = 64 * 1024;

/** One entry of a commit's tree. */
export interface TreeEntry {
  mode: '040000' | '100644' | '100755' | '120000' | '160000' | (string & {});
  object: string;
  /** Bytes of the blob; 0 for folders and submodules. */
  size: number;
  /** Path from the top, with `/`. */
  path: string;
  /** The tree that it is of, where that is not the commit's own. */
  tree?: Tree;
}

/** A commit's tree in a mirror, and where it hangs in the tree of the commit that is built. */
export interface Tree {
  gitDir: string;
  commit: CommitId;
  /** Where it came from: relative URLs of its submodules begin there. */
  repository: Repository;
  /** The path of its top with a slash after it; empty for the commit that is built. */
  at: string;
  /** How many trees it hangs below. */
  depth: number;
}

/** All entries of a commit, folders included, in git's order. Paths are not trusted yet. */
export async function* listTree(of: Tree, signal: AbortSignal): AsyncGenerator<TreeEntry> {
  const command = ['ls-tree', '-r', '-t', '-z', '-l', '--full-tree', of.commit];
  using git = runGit(of.gitDir, command, signal);
  git.stdin.end();
  for await (const record of split(git.stdout, 0)) {
    const match = /^([0-7]{6}) [a-z]+ ([0-9a-f]+) +([0-9]+|-)\t(.+)$/s.exec(record);
    if (match === null) throw new Error(`git ls-tree printed ${JSON.stringify(record)}`);
    const [, mode = '', object = '', size, path = ''] = match;
    yield { mode, object, size: size === '-' ? 0 : Number(size), path };
  }
  await git.ended;
}

/** The paths that differ between two commits, one by one: a hostile tree has millions of few objects. */
export async function* changedPaths(
  gitDir: string,
  from: CommitId,
  to: CommitId,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const command = ['diff-tree', '-r', '-z', '--no-renames', '--name-only', from, to, '--'];
  using git = runGit(gitDir, command, signal);
  git.stdin.end();
  yield* split(git.stdout, 0);
  await git.ended;
}

/** One blob: its bytes must be read to the end before the next is asked for. */
export interface Blob {
  size: number;
  chunks: AsyncIterable<Buffer>;
}

/** The raw blobs of `objects`, in their order, out of one `git cat-file --batch`: no filter, no attribute. */
export async function* readBlobs(
  gitDir: string,
  objects: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Blob> {
  using git = runGit(gitDir, ['cat-file', '--batch', '--buffer'], signal);
  // A pipe that git closed early is reported by its exit code.
  git.stdin.on('error', () => {});
  git.stdin.end(objects.map((object) => `${object}\n`).join(''));
  const bytes = new ByteReader(git.stdout, git.ended);
  for (const object of objects) {
    const header = await bytes.line();
    const match = /^([0-9a-f]+) blob ([0-9]+)$/.exec(header);
    if (match === null) throw new Error(`git cat-file says "${header}" of ${object}`);
    const size = Number(match[2]);
    yield { size, chunks: bytes.take(size) };
    await bytes.line();
  }
  await git.ended;
}

function nameTooLong(): PreviewError {
  return new PreviewError(
    'context-refused',
    `This commit is not built, for it has a path over ${RECORD_LIMIT / 1024} KiB.`,
    'Give that file a shorter name in a new commit, and visit that one.',
  );
}

async function* split(stream: Readable, separator: number): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    // The last record is held back: a name of megabytes would be put together again and again.
    if (rest.length > RECORD_LIMIT + chunk.length) throw nameTooLong();
    for (let end = rest.indexOf(separator); end !== -1; end = rest.indexOf(separator)) {
      yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
  }
}
