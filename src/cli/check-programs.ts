import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Config } from '../config/config.ts';
import { transportOf } from '../mirror/remote-url.ts';
import { bad, type Finding, ok, warn } from './finding.ts';

/** `git fetch --no-write-fetch-head` came with 2.29.0 (its RelNotes), and 2.30 with Debian 11. */
const OLDEST_GIT = [2, 30] as const;

/**
 * From these patches on git obeys `GIT_NO_LAZY_FETCH` wherever it would ask a promisor, and
 * `upload-pack` sets it itself: the mending of CVE-2024-32004 and CVE-2024-32465, told in RelNotes
 * 2.39.4, 2.40.2, 2.41.1, 2.42.2, 2.43.4, 2.44.1 and 2.45.1. The variable came with 2.45.0, where
 * `pack-objects` asks all the same.
 */
const OBEDIENT_GIT = [2, 46] as const;
const OBEDIENT_PATCHES = new Map([
  [39, 4],
  [40, 2],
  [41, 1],
  [42, 2],
  [43, 4],
  [44, 1],
  [45, 1],
]);

/** Since then ssh reads variables in the paths of keys and known hosts (ssh_config(5) of 8.4). */
const SSH_OF_VARIABLES = [8, 4] as const;

type Repositories = Config['repositories'];

/** What pool runs beside the engine: whether each is there where it is needed, and young enough. */
export async function checkPrograms({ repositories }: Pick<Config, 'repositories'>) {
  const [git, lfs, ssh] = await Promise.all([
    versionOf('git', '--version'),
    versionOf('git', 'lfs', 'version'),
    versionOf('ssh', '-V'),
  ]);
  return [
    gitFinding(git, repositories),
    ...gitLfsFindings(lfs, repositories),
    ...sshFindings(ssh, repositories),
  ];
}

/** Whether git is there, and obeys all that pool tells it. */
export function gitFinding(version: string | undefined, repositories: Repositories): Finding {
  const about = 'git';
  const next = `Install git ${OLDEST_GIT.join('.')} or later.`;
  if (version === undefined) return bad(about, 'is not there', next);
  const words = version.replace('git version ', '');
  if (!isSince(version, OLDEST_GIT)) return bad(about, `${words} is too old`, next);
  const paths = repositories.filter(({ url }) => transportOf(url) === 'file');
  if (paths.length === 0 || obeys(version)) return ok(about, words);
  return warn(
    about,
    `${words} may run what a hostile repository on this machine names (${namesOf(paths)})`,
    'Take git 2.39.4, 2.45.1 or later, unless those repositories are yours.',
  );
}

/** Whether git-lfs is there for those repositories that are to be asked for its files. */
export function gitLfsFindings(version: string | undefined, repositories: Repositories): Finding[] {
  const remote = repositories.filter(({ lfs, url }) => lfs && transportOf(url) !== 'file');
  if (remote.length === 0) return [];
  if (version !== undefined) return [ok('git-lfs', version.replace('git-lfs/', ''))];
  const words = `is not there, and ${namesOf(remote)} may need it`;
  return [bad('git-lfs', words, 'Install git-lfs, or take "lfs: true" out of the configuration.')];
}

/** Whether ssh is there for those repositories that are reached by it, and finds the keys they name. */
export function sshFindings(version: string | undefined, repositories: Repositories): Finding[] {
  const about = 'ssh';
  const over = repositories.filter(({ url, submodules }) =>
    [url, ...submodules].some((one) => transportOf(one) === 'ssh'),
  );
  if (over.length === 0) return [];
  const since = SSH_OF_VARIABLES.join('.');
  const next = `Install OpenSSH ${since} or later.`;
  if (version === undefined)
    return [bad(about, `is not there, and ${namesOf(over)} needs it`, next)];
  const words = version.split(',')[0] ?? '';
  const keyed = over.filter(({ access }) => access.sshKey ?? access.knownHosts);
  // Another ssh than OpenSSH, or one that tells no version, is for its owner to judge.
  const old = version.startsWith('OpenSSH_') && !isSince(version, SSH_OF_VARIABLES);
  if (!old || keyed.length === 0) return [ok(about, words)];
  return [
    bad(about, `${words} does not find the "sshKey" or "knownHosts" of ${namesOf(keyed)}`, next),
  ];
}

/** What a program says of itself, on either output; `undefined` where it is not there. */
async function versionOf(program: string, ...args: string[]): Promise<string | undefined> {
  const said = promisify(execFile)(program, args, { timeout: 5000 });
  const { stdout, stderr } = await said.catch(() => ({ stdout: '', stderr: '' }));
  return stdout.trim() || stderr.trim() || undefined;
}

function numbersOf(version: string): number[] {
  return /\d+(\.\d+)*/.exec(version)?.[0].split('.').map(Number) ?? [];
}

function isSince(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ours = 0, further = 0] = numbersOf(version);
  return ours > major || (ours === major && further >= minor);
}

function obeys(version: string): boolean {
  const [, minor = 0, patch = 0] = numbersOf(version);
  return isSince(version, OBEDIENT_GIT) || patch >= (OBEDIENT_PATCHES.get(minor) ?? Infinity);
}

function namesOf(repositories: Repositories): string {
  return repositories.map(({ name }) => name).join(', ');
}
