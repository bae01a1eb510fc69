import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PreviewError } from '../errors.ts';
import { plainLine } from '../plain-text.ts';
import { runGit } from './git-process.ts';
import { quote, type Repository, remoteEnvironment } from './remote-access.ts';

/** A file that Git LFS keeps, as the pointer in the commit names it. */
export interface LfsPointer {
  /** The SHA-256 of its bytes. */
  id: string;
  size: number;
}

/** Slower than this a preview is not waited for; git-lfs itself gives up a connection that is silent. */
const FETCH_LIMIT_MS = 10 * 60_000;
/** Of all that was ever fetched for a mirror: beyond it the store is emptied, and fills again. */
const STORE_LIMIT = 20 * 2 ** 30;

/**
 * Lets git-lfs fetch into the mirror's store. It works in a repository that is made for it and
 * holds one commit of pointers that pool writes itself: no `.lfsconfig`, attribute, hook or path of
 * anybody's commit is there to be read.
 */
export async function fetchLfs(
  { gitDir, repository }: { gitDir: string; repository: Repository },
  wanted: readonly LfsPointer[],
  signal: AbortSignal,
): Promise<void> {
  const store = join(gitDir, 'lfs');
  await mkdir(store, { recursive: true });
  const folder = await mkdtemp(join(store, 'fetch-'));
  // The home folder is the mirror: its settings for the remote are git-lfs's too.
  const env = remoteEnvironment(gitDir, repository);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(FETCH_LIMIT_MS)]);
  try {
    await makeRepository(folder, store, repository.url);
    await git(folder, ['fast-import', '--quiet'], commitOf(wanted), env, limited);
    await git(folder, ['lfs', 'fetch', 'origin', 'refs/heads/wanted'], '', env, limited);
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error, repository, limited);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeRepository(folder: string, store: string, url: string): Promise<void> {
  await mkdir(join(folder, 'objects'));
  await mkdir(join(folder, 'refs'));
  await writeFile(join(folder, 'HEAD'), 'ref: refs/heads/wanted\n');
  const config = `[core]
	repositoryformatversion = 0
	bare = true
	hooksPath = /dev/null
[remote "origin"]
	url = ${quote(url)}
[lfs]
	storage = ${quote(store)}
	basictransfersonly = true
`;
  await writeFile(join(folder, 'config'), config);
}

/** A commit with a file for each pointer, for `git fast-import`. */
function commitOf(pointers: readonly LfsPointer[]): string {
  const files = pointers.map(({ id, size }) => {
    const text = `version https://git-lfs.github.com/spec/v1\noid sha256:${id}\nsize ${size}\n`;
    return `M 100644 inline ${id}\ndata ${text.length}\n${text}`;
  });
  return `commit refs/heads/wanted\ncommitter pool <pool> 0 +0000\ndata 0\n${files.join('')}`;
}

async function git(
  folder: string,
  args: readonly string[],
  input: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  using child = runGit(folder, args, signal, env);
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  child.stdout.resume();
  await child.ended;
}

/** Empties the store of a mirror that these would let grow beyond its limit: whether it did. */
export async function makeRoom(gitDir: string, wanted: readonly LfsPointer[]): Promise<boolean> {
  const objects = join(gitDir, 'lfs/objects');
  const names = await readdir(objects, { recursive: true }).catch(() => []);
  let bytes = wanted.reduce((sum, { size }) => sum + size, 0);
  for (const name of names) {
    const file = await stat(join(objects, name)).catch(() => undefined);
    if (file?.isFile() === true) bytes += file.size;
  }
  if (bytes <= STORE_LIMIT) return false;
  await rm(objects, { recursive: true, force: true });
  return true;
}

function explain(error: unknown, repository: Repository, limited: AbortSignal): PreviewError {
  const text = error instanceof Error ? error.message : String(error);
  if (text.includes("'lfs' is not a git command")) {
    return new PreviewError(
      'repository-unreadable',
      'This commit has files in Git LFS, and git-lfs is not installed where pool runs.',
      'Whoever runs pool installs git-lfs ("pool doctor" looks for it), or takes "lfs: true" out of its configuration; then retry.',
      { cause: error },
    );
  }
  const lines = text.replace(/^git \S+ exited with \d+: /, '').split('\n');
  const words = lines.map((line) => plainLine(line).trim());
  const said = limited.aborted
    ? `no answer within ${FETCH_LIMIT_MS / 60_000} minutes`
    : words.find((line) => line !== '' && !/^(Fetching|error: failed to fetch)/.test(line));
  return new PreviewError(
    'repository-unreadable',
    `What Git LFS of ${repository.url} keeps for this commit cannot be fetched: ${said?.replace(/\.+$/, '') ?? 'git-lfs failed without a word'}.`,
    'Check it with "git lfs fetch" in a clone, and retry; what was never pushed comes with "git lfs push --all".',
    { cause: error },
  );
}
