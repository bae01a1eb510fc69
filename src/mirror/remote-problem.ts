import { PreviewError } from '../errors.ts';
import { plainText } from '../plain-text.ts';
import type { Access, Repository } from './remote-access.ts';

/** Who was asked, as an operator would write it. */
interface Asked {
  host: string;
  /** The line that fetches the host's keys. */
  scan: string;
  hasToken: boolean;
  /** A submodule on another server than its parent's: no option of the configuration is for it. */
  foreign: boolean;
}

/** What keeps a remote from being fetched. */
export interface RemoteProblem {
  /** What is wrong and what to do, in a sentence without its capital and its full stop. */
  words: string;
  /** Whether it is sure to stay until somebody mends the configuration, or what that names. */
  lasting: boolean;
}

type Sentence = (asked: Asked, found: RegExpMatchArray) => string;

/** What may be over by itself. */
const PASSING = 'pool tries again by itself';

/** What ssh takes where nothing is named. */
const OWN_HOSTS = '~/.ssh/known_hosts of the user who runs pool';
const OWN_KEYS = '~/.ssh of the user who runs pool';
const NOT_THERE = "does not count for a submodule on another server than its parent's";
const NO_TOKEN = `let it be read without one, for a token ${NOT_THERE}`;

/** Whose folder is none, or not ours, and stays so. */
const NO_REPOSITORY = /does not appear to be a git repository|dubious ownership/;

/** What git and ssh say of a remote, and what it means to whoever configures pool. */
const SENTENCES: readonly (readonly [RegExp, Sentence, typeof PASSING?])[] = [
  [
    /attempting to allocate/,
    ({ host }) =>
      `what ${host} sends has a file of more than 1 GiB, and pool takes none; remove it there`,
    PASSING,
  ],
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed/i,
    ({ host, scan, foreign }) =>
      `${host} shows another host key than the one in ${foreign ? OWN_HOSTS : '"knownHosts"'}, and somebody may stand between; ask its owners, and only if they changed it put what "${scan}" prints in its place`,
  ],
  [
    /Host key verification failed/,
    ({ host, scan, foreign }) =>
      `the host key of ${host} is not known; add what "${scan}" prints to ${foreign ? OWN_HOSTS : 'the file that "knownHosts" names'}, after comparing it with what the host publishes`,
  ],
  [
    /UNPROTECTED PRIVATE KEY FILE|bad permissions/i,
    () =>
      'the file that "sshKey" names may be read by others, and ssh takes no such key; run chmod 600 on it',
  ],
  [
    /Load key .*: (.*)/,
    () =>
      'the file that "sshKey" names is no private key without a passphrase; make one with "ssh-keygen -t ed25519 -N \'\'"',
  ],
  [
    /Permission denied \(/,
    ({ host, foreign }) =>
      `${host} does not take the key; give it the public half of ${foreign ? `one in ${OWN_KEYS}` : '"sshKey"'} as a deploy key that may read`,
  ],
  [
    /SSL certificate problem|certificate verif|peer certificate|certificate subject name/i,
    ({ host, foreign }) =>
      `the certificate of ${host} is not one that this machine believes; ${foreign ? `add that of its authority to those that this machine believes, for "caFile" ${NOT_THERE}` : 'name the certificate of its authority as "caFile"'}, or have the host's mended`,
  ],
  [
    /could not read (?:Username|Password)/,
    ({ host, foreign }) =>
      `${host} asks for a password, or says so of a repository that is not there; look at the URL, or ${foreign ? NO_TOKEN : 'name a token as "tokenFile"'}`,
  ],
  [
    /Authentication failed/,
    ({ host, hasToken, foreign }) =>
      hasToken
        ? `${host} does not take the token; look whether it has run out, may read this repository and belongs to "tokenUser"`
        : `${host} asks for a password; ${foreign ? NO_TOKEN : 'name a token as "tokenFile"'}`,
  ],
  [
    /returned error: 30[1-8]/,
    ({ host }) =>
      `${host} redirects to another URL, and pool goes only where its configuration says; name that URL (often the same with ".git" at its end)`,
  ],
  [
    /returned error: (4\d\d)|repository '.*' not found/,
    ({ host, hasToken, foreign }, [, status = '404']) =>
      `${host} refuses it (${status}); look at the URL, ${foreign ? `or ${NO_TOKEN}` : `and whether ${hasToken ? 'the token may' : 'a token is needed to'} read it`}`,
  ],
  [
    /returned error: (5\d\d)/,
    ({ host }, [, status]) => `${host} is in trouble (${status})`,
    PASSING,
  ],
  [
    /Could not resolve host/,
    ({ host }) => `the name ${host} leads nowhere; look at the URL and at this machine's DNS`,
    PASSING,
  ],
  [
    /(Connection refused|Connection timed out|Operation timed out|No route to host|Network is unreachable|Failed to connect|Couldn't connect)/,
    ({ host }, [said]) =>
      `${host} takes no connection (${said}); look whether it is up and may be reached from here`,
    PASSING,
  ],
  [
    /Operation too slow|block timeout reached|timed out/,
    ({ host }) => `${host} stopped answering; look whether it is well`,
    PASSING,
  ],
  [
    /non-properly terminated|recv (?:error|failure)|early EOF|transfer closed|empty reply|reset by peer|RPC failed|unexpected disconnect/i,
    ({ host }) => `${host} broke off in the middle`,
    PASSING,
  ],
  [
    /is this a git repository|protocol error|bad line length|invalid index-pack|bad pack header|could not determine hash|expected flush|unexpected .* (?:line|response)|invalid server response|expected 'version|not a git repository\?/i,
    ({ host }) =>
      `${host} answers with something that is not Git; look whether the URL is one that "git clone" takes`,
  ],
  [/cannot run ssh|ssh: not found/, () => 'there is no ssh; install openssh-client'],
];

/**
 * What a failed fetch into `folder` means, with the next step; the words of git itself where they
 * are new to us.
 */
export function explainRemote(
  error: unknown,
  { url, access }: Repository,
  folder: string,
): RemoteProblem {
  // What the remote says comes in here, and goes out to pages and terminals.
  const said = error instanceof Error ? error.message : String(error);
  const text = plainText(said.replaceAll('\r', '\n'));
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('remote: '));
  const own = lines.join('\n');
  if (/No space left on device/i.test(own)) {
    const words = `the disk that ${folder} lies on is full; make room there; ${PASSING}`;
    return { words, lasting: false };
  }
  if (!url.startsWith('/')) {
    const asked = askedOf(url, access);
    for (const [pattern, sentence, passing] of SENTENCES) {
      const found = own.match(pattern);
      if (found === null) continue;
      const words = [sentence(asked, found), passing].filter((part) => part !== undefined);
      return { words: words.join('; '), lasting: passing === undefined };
    }
  }
  const line = lines.find((one) => /^(fatal|error): /.test(one)) ?? lines.at(-1);
  const words = line?.replace(/^(fatal|error): /, '').replace(/\.+$/, '');
  return { words: words?.trim() ?? 'git failed without a word', lasting: NO_REPOSITORY.test(own) };
}

/** The failure of a repository that a fetch could not read. */
export function unreadable({ url }: Repository, problem: string): PreviewError {
  return new PreviewError(
    'repository-unreadable',
    `The repository ${url} cannot be read: ${problem}.`,
    `"pool doctor", run as the user who runs pool, looks again; docs/configuration.md tells of keys and tokens.`,
  );
}

function askedOf(url: string, access: Access | undefined): Asked {
  const { hostname, port } = URL.canParse(url)
    ? new URL(url)
    : { hostname: url.replace(/^[^@]*@(\[.*\]|[^:]*):.*$/s, '$1'), port: '' };
  const bare = hostname.replaceAll(/[[\]]/g, '');
  const scan = ['ssh-keyscan', ...(port === '' ? [] : ['-p', port]), bare].join(' ');
  const host = port === '' ? hostname : `${hostname}:${port}`;
  const hasToken = access?.tokenFile !== undefined || access?.tokenEnv !== undefined;
  return { host, scan, hasToken, foreign: access === undefined };
}
