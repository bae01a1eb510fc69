import { constants } from 'node:fs';
import { access as mayOpen, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RepositoryName } from '../address/label.ts';
import { gitEnvironment, named } from './git-environment.ts';
import { FETCHING } from './left-over-git.ts';
import { transportOf } from './remote-url.ts';

/** What a repository is fetched with: files, and the name of a variable; never a secret itself. */
export interface Access {
  sshKey?: string | undefined;
  knownHosts?: string | undefined;
  tokenFile?: string | undefined;
  tokenEnv?: string | undefined;
  tokenUser?: string | undefined;
  caFile?: string | undefined;
}

/** A repository to serve: an absolute path, an https or ssh URL or `user@host:path`, under a name. */
export interface Repository {
  name: RepositoryName;
  url: string;
  /** `undefined` for a submodule on another server than its parent's: nothing is given for it. */
  access?: Access;
}

/** What is fetched, and with what: repositories of one key have the same copy. */
export function remoteKey({ url, access = {} }: Repository): string {
  return JSON.stringify([url, access]);
}

/** Most hosts look at the token alone; GitHub's own name for "no user" offends none of them. */
const TOKEN_USER = 'x-access-token';

/** A host that takes no connection within this is down; one that says nothing later is noticed too. */
const CONNECT_LIMIT_S = 15;

/**
 * Nothing of the user's own configuration, no agent, no forwarding, no question. ssh itself reads
 * the variables in braces, so that no path is ever taken apart by a shell.
 */
const SSH = [
  'ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no',
  '-o IdentitiesOnly=yes -o IdentityAgent=none -o ClearAllForwardings=yes',
  `-o ConnectTimeout=${CONNECT_LIMIT_S} -o ServerAliveInterval=15 -o ServerAliveCountMax=4`,
].join(' ');
const SSH_KEY = `-o 'IdentityFile="\${POOL_SSH_KEY}"'`;
const KNOWN_HOSTS = `-o 'UserKnownHostsFile="\${POOL_KNOWN_HOSTS}"' -o GlobalKnownHostsFile=/dev/null`;

/** Answers git with the token. The shell's own `read` and `printf` put it into no command line. */
const TOKEN_HELPER = [
  '!pool() { test "$1" = get || return 0;',
  'test -z "$POOL_TOKEN_FILE" || IFS= read -r POOL_TOKEN < "$POOL_TOKEN_FILE";',
  String.raw`printf 'username=%s\npassword=%s\n' "$POOL_TOKEN_USER" "$POOL_TOKEN"; }; pool`,
].join(' ');

/**
 * What git is to know of a remote, for the place where it looks for the user's own settings: these
 * are the only ones that also its other side on this machine believes. No secret is in it.
 */
export async function remoteSettings(repository: Repository): Promise<string> {
  return settingsFor(repository, await realpath(repository.url).catch(() => repository.url));
}

/** The environment of a git process that may reach one repository, and by its own transport alone. */
export function remoteEnvironment(
  folder: string,
  { url, access = {} }: Repository,
): Record<string, string> {
  const { sshKey, knownHosts, tokenFile, tokenEnv, tokenUser, caFile } = access;
  return {
    ...gitEnvironment(folder),
    [FETCHING]: folder,
    GIT_ALLOW_PROTOCOL: transportOf(url),
    ...(sshKey === undefined ? {} : { POOL_SSH_KEY: sshKey }),
    ...(knownHosts === undefined ? {} : { POOL_KNOWN_HOSTS: knownHosts }),
    ...(caFile === undefined ? {} : { GIT_SSL_CAINFO: caFile }),
    ...(tokenFile === undefined ? {} : { POOL_TOKEN_FILE: tokenFile }),
    ...(tokenEnv === undefined ? {} : { POOL_TOKEN: named(tokenEnv) ?? '' }),
    POOL_TOKEN_USER: tokenUser ?? TOKEN_USER,
  };
}

/** What a repository is fetched with and that is not there, in a sentence without any secret. */
export async function accessProblem({
  access: given = {},
}: Repository): Promise<string | undefined> {
  // Somebody may have written the token where its name belongs: neither is shown.
  if (given.tokenEnv !== undefined && (named(given.tokenEnv) ?? '') === '')
    return 'the variable that "tokenEnv" names is not set; set it where pool is started';
  for (const key of ['sshKey', 'knownHosts', 'tokenFile', 'caFile'] as const) {
    const path = given[key];
    try {
      if (path !== undefined) await mayOpen(path, constants.R_OK);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'not readable';
      return `the file that "${key}" names cannot be read (${code}); mend its path, or let the user who runs pool read it`;
    }
  }
  return undefined;
}

function settingsFor({ url, access = {} }: Repository, real: string): string {
  const { sshKey, knownHosts, tokenFile, tokenEnv } = access;
  const ssh = [
    SSH,
    ...(sshKey === undefined ? [] : [SSH_KEY]),
    ...(knownHosts === undefined ? [] : [KNOWN_HOSTS]),
  ].join(' ');
  const lines = [
    '[http]',
    // What pool serves comes from the host that the operator named, and the token goes to no other.
    'followRedirects = false',
    'lowSpeedLimit = 100',
    'lowSpeedTime = 60',
    '[core]',
    `sshCommand = ${quote(ssh)}`,
  ];
  if (tokenFile !== undefined || tokenEnv !== undefined) {
    lines.push(`[credential ${quote(new URL(url).origin)}]`, `helper = ${quote(TOKEN_HELPER)}`);
  }
  // A repository of another user, mounted from elsewhere: just this one, as git may spell it.
  if (transportOf(url) === 'file') {
    const paths = [resolve(url), real].flatMap((path) => [path, join(path, '.git')]);
    lines.push('[safe]', ...paths.map((path) => `directory = ${quote(path)}`));
  }
  return `${lines.join('\n')}\n`;
}

/** As git's configuration has it. */
export function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
