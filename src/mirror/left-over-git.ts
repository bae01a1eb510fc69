import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Set for every git process of a pool, and inherited by what git starts itself: the folder of the
 * mirrors that it works on. By it a later pool tells its own processes from everybody else's.
 */
export const MIRRORS = 'POOL_MIRRORS';

/** Set for those that speak with a remote: the mirror that they fetch into. */
export const FETCHING = 'POOL_FETCHING';

/** Git removes its locks when it is asked to end; one that hangs in a disk is ended harder. */
const END_LIMIT_MS = 500;

/**
 * What git writes beside a file before it takes its place, and objects that were not finished. No
 * ref ends in `.lock`, but one may well be called `tmp-fix`.
 */
const HALF_WRITTEN = /(\.lock|^objects\/(.*\/)?\.?tmp[_-][^/]*|^lfs\/fetch-[^/]*)$/;

/**
 * Ends the git processes of a pool that was killed, where the system has a /proc: a fetch goes on
 * without its parent, and would hold the locks that the next one needs. Then removes what they left
 * half-written in all mirrors, those of submodules and of repositories served no longer too: it may
 * be what fills the disk. Nobody else may be at work there.
 */
export async function clearLeftOverGit(parent: string): Promise<void> {
  await endMarked(`${MIRRORS}=${parent}`);
  const mirrors = (await readdir(parent).catch(() => [])).filter((name) => name.endsWith('.git'));
  // What stays in one mirror is told by its own fetch.
  for (const name of mirrors) await remove(join(parent, name)).catch(() => {});
}

/** Ends the processes that have `mark` in their environment: what git started does not end with it. */
export async function endMarked(mark: string): Promise<void> {
  const left = await marked(mark);
  for (const pid of left) kill(pid, 'SIGTERM');
  for (const end = Date.now() + END_LIMIT_MS; Date.now() < end; await sleep(10)) {
    if (!left.some((pid) => kill(pid, 0))) return;
  }
  for (const pid of left) kill(pid, 'SIGKILL');
}

/** Removes what a fetch that failed left of git's own files: Git LFS may be at work beside it. */
export async function removeHalfFetched(folder: string): Promise<void> {
  await remove(folder, (file) => !file.startsWith('lfs/'));
}

async function remove(folder: string, ours = (_file: string) => true): Promise<void> {
  const files = await readdir(folder, { recursive: true });
  const left = files.filter((file) => HALF_WRITTEN.test(file) && ours(file));
  for (const file of left) await rm(join(folder, file), { recursive: true, force: true });
}

async function marked(mark: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter((pid) => pid > 0);
  const found = pids.map(async (pid) => {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    return environment.split('\0').includes(mark) ? [pid] : [];
  });
  return (await Promise.all(found)).flat();
}

/** Whether there was such a process. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
