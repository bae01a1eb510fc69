import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimpleGit } from 'simple-git';
import { plainLine } from '../plain-text.ts';
import { gitIn } from './git-process.ts';
import { endMarked, FETCHING, removeHalfFetched } from './left-over-git.ts';
import { makeFolder } from './mirror-folder.ts';
import { accessProblem, type Repository, remoteEnvironment } from './remote-access.ts';
import { explainRemote, type RemoteProblem } from './remote-problem.ts';
import { transportOf } from './remote-url.ts';

/** A repository as it is reached from the folder of its mirror. */
export interface Remote {
  repository: Repository;
  folder: string;
  /** Git tells each second how far it is: one that says nothing for so long hangs. */
  silenceMs: number;
}

/** How far git is: `Receiving objects:  41% (410/1000), 12.00 MiB | 5.00 MiB/s`. */
const PROGRESS =
  /(?:(?:Counting|Compressing|Receiving) objects|Resolving deltas): +[0-9]+%[^\r\n]*/g;

/** How git says that the remote's ids are of the other kind. */
const OTHER_FORMAT =
  /mismatched algorithms|does not support (?:this repository's object format|algorithm)/;

/** Asks a remote and copies nothing. Returns what is wrong with it, in a sentence. */
export async function askRemote(
  repository: Repository,
  silenceMs: number,
): Promise<string | undefined> {
  const parent = await mkdtemp(join(tmpdir(), 'pool-'));
  try {
    const remote = { repository, folder: join(parent, 'asked.git'), silenceMs };
    await makeFolder(remote.folder, repository, 'sha1');
    const signal = AbortSignal.timeout(silenceMs);
    const problem = await attempt(remote, () => askHead(remote, signal), signal);
    return problem?.words;
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

/** Never rejects: returns what is wrong, and leaves no process behind. */
export async function attempt(
  { repository, folder }: Remote,
  work: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<RemoteProblem | undefined> {
  const missing = await accessProblem(repository);
  if (missing !== undefined) return { words: missing, lasting: true };
  try {
    await work();
    return undefined;
  } catch (error) {
    await endMarked(`${FETCHING}=${folder}`);
    // Half a pack of each attempt would fill the disk, and keep it full.
    await removeHalfFetched(folder).catch(() => {});
    return explainRemote(signal.aborted ? new Error('timed out') : error, repository, folder);
  }
}

/** The branch that the remote's HEAD names; throws before anything is pruned where it is no Git. */
export async function askHead(remote: Remote, signal: AbortSignal): Promise<string | undefined> {
  const { url } = remote.repository;
  let isGit = transportOf(url) !== 'https';
  const git = gitTo(remote, signal, { GIT_TRACE2_EVENT: '2' }, (words) => {
    isGit ||= words.includes('"negotiated-version"');
  });
  const head = await git.raw(['ls-remote', '--symref', '--', url, 'HEAD']);
  // Of a web page git makes a repository without branches.
  if (!isGit && head === '') throw new Error('fatal: not a git repository?');
  const branch = /^ref: refs\/heads\/(.+)\tHEAD$/m.exec(head)?.[1];
  return branch === undefined ? undefined : plainLine(branch);
}

/**
 * Makes the mirror's branches and tags those of the remote. `hear` is told how far git is. Returns
 * whether git had anything to say: then something came, and refs moved.
 */
export async function fetchRefs(
  remote: Remote,
  hear: (progress: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  let heard = false;
  const heads = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
  const exact = ['--prune', '--no-tags', '--force', '--no-write-fetch-head'];
  // A shallow remote, such as a checkout of CI, has just the commits that it has.
  const options = ['--progress', '--update-shallow', '--no-recurse-submodules', ...exact];
  const git = gitTo(remote, signal, {}, (words) => {
    heard = true;
    const progress = words.match(PROGRESS)?.at(-1);
    if (progress !== undefined) hear(plainLine(progress));
  });
  await git.raw(['fetch', ...options, '--', remote.repository.url, ...heads]);
  return heard;
}

/** Whether a fetch failed since the remote's ids are not as long as the mirror's. */
export function isOtherFormat(error: unknown): boolean {
  return OTHER_FORMAT.test(String(error));
}

function gitTo(
  { folder, repository, silenceMs }: Remote,
  signal: AbortSignal,
  more: Record<string, string>,
  heard: (words: string) => void,
): SimpleGit {
  const environment = { ...remoteEnvironment(folder, repository), ...more };
  return gitIn(folder, signal, environment, silenceMs).outputHandler((_, _output, words) =>
    words.on('data', (text: Buffer) => heard(text.toString())),
  );
}
