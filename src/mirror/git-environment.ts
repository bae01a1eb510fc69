import { dirname } from 'node:path';
import { MIRRORS } from './left-over-git.ts';

/** What git may know of the machine beside pool's own words: how it gets out. */
const HANDED_ON = /^(PATH|https_proxy|all_proxy|no_proxy|GIT_SSL_CAINFO)$/i;

/** One piece of memory of git's: few bytes of a hostile pack can claim a file of any size. */
const ALLOC_LIMIT = '1g';

/**
 * The whole environment of a git process that works in `folder`: no setting of the machine or of
 * the user, no prompt, no transport. `GIT_ALLOW_PROTOCOL` goes above all that a configuration
 * says, that of a repository on this machine included.
 */
export function gitEnvironment(folder: string): Record<string, string> {
  const handedOn = Object.entries(process.env).filter(([name]) => HANDED_ON.test(name));
  return {
    ...(Object.fromEntries(handedOn) as Record<string, string>),
    [MIRRORS]: dirname(folder),
    HOME: folder,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CEILING_DIRECTORIES: dirname(folder),
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOC_LIMIT: ALLOC_LIMIT,
    GIT_ALLOW_PROTOCOL: '',
  };
}

/** A variable of pool's own environment that the configuration names. */
export function named(variable: string): string | undefined {
  return process.env[variable];
}
