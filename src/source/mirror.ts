import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SimpleGit, simpleGit } from 'simple-git';
import { PreviewError } from '../errors.ts';
import type { RepositoryName } from '../address/label.ts';
import { plainLine, plainText } from '../plain-text.ts';
import { CommitSet } from './commit-set.ts';
import { MIRRORS, removeHalfWritten } from './left-over-git.ts';
import { parseRefs, RefTable } from './ref-table.ts';

/** A repository to serve: an absolute path or an https URL, under a name. */
export interface Repository {
  name: RepositoryName;
  url: string;
}

/** A first copy of a large repository takes long; one that hangs is noticed by its low speed. */
const FETCH_LIMIT_MS = 60 * 60_000;

/** A start waits so long for a fetch where there is a copy to serve from: near remotes need less. */
const START_WAIT_MS = 300;

/** How git says that objects of its own are lost, and not that it is not there or may not read. */
const DAMAGED = /^(fatal|error): .*\b(object|pack|packfile)\b/m;

const REF_FIELDS = ['refname', 'objectname', 'objecttype', '*objectname', '*objecttype'];

/**
 * Everything that git could be talked into is off: no hook runs, and only the transports that a
 * repository's URL may name are open.
 */
const MIRROR_CONFIG = `[core]
	repositoryformatversion = 0
	bare = true
	hooksPath = /dev/null
[http]
	lowSpeedLimit = 100
	lowSpeedTime = 60
[protocol]
	allow = never
[protocol "file"]
	allow = always
[protocol "https"]
	allow = always
`;

/**
 * A bare copy of a repository's branches and tags, and nothing else of it. All visitors share one
 * fetch; a remote that is down leaves the last table in place.
 */
export class Mirror {
  readonly repository: Repository;
  readonly folder: string;
  table = new RefTable([], CommitSet.parse(''));
  /** The branch that the remote's HEAD names, where it names one. */
  defaultBranch: string | undefined;
  /** When the last fetch that succeeded ended, in ms of the epoch; 0 before the first. */
  fetchedAt = 0;
  /** Why the last fetch failed, in a sentence; `undefined` after one that succeeded. */
  problem: string | undefined;
  /** How many fetches there were. */
  fetches = 0;
  /** When the fetch that is under way began, in ms of the epoch. */
  fetchingSince: number | undefined;
  #triedAt = 0;
  #fetching: Promise<void> | undefined;
  #seen: string | undefined;

  private constructor(repository: Repository, folder: string) {
    this.repository = repository;
    this.folder = folder;
  }

  /**
   * Opens or makes the mirror below `parent`, and fetches; a slow remote is waited for only where
   * there is no earlier copy to serve from. Throws `repository-unreadable` where there is none and
   * the remote does not answer.
   */
  static async open(repository: Repository, parent: string, signal: AbortSignal): Promise<Mirror> {
    const mirror = new Mirror(repository, join(parent, `${repository.name}.git`));
    await mirror.#init();
    const copied = await mirror.#readCopyOf(repository.url, signal);
    if (copied) {
      mirror.defaultBranch = await mirror.#readHead();
    } else {
      await rm(join(mirror.folder, 'pool-source'), { force: true });
    }
    const fetched = mirror.refresh(signal);
    await (copied
      ? Promise.race([fetched, sleep(START_WAIT_MS, undefined, { ref: false })])
      : fetched);
    if (mirror.problem !== undefined && mirror.#seen === undefined) {
      throw unreadable(repository, mirror.problem);
    }
    return mirror;
  }

  /** When the last fetch ended, whether it succeeded or not, in ms of the epoch. */
  get triedAt(): number {
    return this.#triedAt;
  }

  /** Fetches once for all who ask meanwhile. Never rejects: `problem` says what went wrong. */
  refresh(signal: AbortSignal): Promise<void> {
    this.#fetching ??= this.#fetch(signal).finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  /** Runs a git command of constant arguments and full ids, and returns what it printed. */
  async read(args: readonly string[], signal: AbortSignal): Promise<string> {
    return await this.#git(signal).raw([...args]);
  }

  /** What `git init --bare` makes, less the templates: no hook and no filter of this machine comes in. */
  async #init(): Promise<void> {
    await mkdir(join(this.folder, 'objects'), { recursive: true });
    await mkdir(join(this.folder, 'refs'), { recursive: true });
    await removeHalfWritten(this.folder);
    await this.#writeHead((await this.#readHead()) ?? 'main');
    await this.#write('config', MIRROR_CONFIG);
  }

  /** The default branch is kept where git keeps it, for a start that cannot wait for the remote. */
  async #readHead(): Promise<string | undefined> {
    const head = await readFile(join(this.folder, 'HEAD'), 'utf8').catch(() => '');
    return /^ref: refs\/heads\/(.+)\n$/.exec(head)?.[1];
  }

  async #writeHead(branch: string): Promise<void> {
    await this.#write('HEAD', `ref: refs/heads/${branch}\n`);
  }

  /** Whole or not at all, as git does it; what is there already needs no room on a full disk. */
  async #write(name: string, text: string): Promise<void> {
    const file = join(this.folder, name);
    if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return;
    await writeFile(`${file}.lock`, text);
    await rename(`${file}.lock`, file);
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(FETCH_LIMIT_MS)]);
    const { url } = this.repository;
    this.fetches += 1;
    this.fetchingSince = Date.now();
    try {
      const heads = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
      const exact = ['--prune', '--no-tags', '--force', '--no-write-fetch-head'];
      // A shallow remote, such as a checkout of CI, has just the commits that it has.
      // Not quiet: simple-git waits 50 ms longer for a command that says nothing.
      const options = ['--update-shallow', ...exact];
      const looking = this.#git(limited).raw(['ls-remote', '--symref', '--', url, 'HEAD']);
      looking.catch(() => {});
      await this.#git(limited).raw(['fetch', ...options, '--', url, ...heads]);
      const head = await looking;
      const branch = /^ref: refs\/heads\/(.+)\tHEAD$/m.exec(head)?.[1];
      this.defaultBranch = branch === undefined ? undefined : plainLine(branch);
      await this.#readTable(limited);
      if (this.defaultBranch !== undefined) await this.#writeHead(this.defaultBranch);
      await this.#write('pool-source', url);
      this.fetchedAt = Date.now();
      this.problem = undefined;
    } catch (error) {
      this.problem = explainGit(error, limited);
    } finally {
      this.#triedAt = Date.now();
      this.fetchingSince = undefined;
    }
  }

  /** Refs first and reachable commits after: rebuilt only where a ref moved. */
  async #readTable(signal: AbortSignal): Promise<void> {
    const format = REF_FIELDS.map((field) => `%(${field})`).join('%00');
    const scope = ['refs/heads', 'refs/tags'];
    const refs = await this.read(['for-each-ref', `--format=${format}`, ...scope], signal);
    if (refs === this.#seen) return;
    const commits = await this.read(['rev-list', '--branches', '--tags'], signal);
    this.table = new RefTable(parseRefs(refs), CommitSet.parse(commits));
    this.#seen = refs;
  }

  /** Reads the copy of `url` where there is one; one that a power failure damaged is thrown away. */
  async #readCopyOf(url: string, signal: AbortSignal): Promise<boolean> {
    const source = await readFile(join(this.folder, 'pool-source'), 'utf8').catch(() => undefined);
    // A name that now stands for another repository must not serve the old one's commits.
    if (source !== url) return false;
    try {
      await this.#readTable(signal);
      return true;
    } catch (error) {
      if (!(error instanceof Error) || !DAMAGED.test(error.message)) throw error;
      // All of it: a fetch asks for no object again that it believes to have.
      await rm(this.folder, { recursive: true, force: true });
      await this.#init();
      return false;
    }
  }

  /** One instance a call: simple-git binds its abort signal when it is made. */
  #git(signal: AbortSignal): SimpleGit {
    const mark = { [MIRRORS]: dirname(this.folder) };
    const env = { ...process.env, ...mark, GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' };
    const allowed = ['GIT_TERMINAL_PROMPT', 'GIT_SSL_CAINFO'];
    return simpleGit({ baseDir: this.folder, abort: signal, allowEnvironment: allowed }).env(
      withoutOtherGitVariables(env, allowed),
    );
  }
}

/** `GIT_DIR` and its kin come along when pool is started from a git hook, and would redirect it. */
function withoutOtherGitVariables(
  env: NodeJS.ProcessEnv,
  allowed: readonly string[],
): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) =>
      !/^(git_|editor$|pager$|prefix$|visual$|ssh_askpass$)/i.test(name) || allowed.includes(name),
  );
  return Object.fromEntries(kept);
}

function explainGit(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return `no answer within ${FETCH_LIMIT_MS / 60_000} minutes`;
  // What the remote says comes in here, and goes out to pages and terminals.
  const text = plainText(error instanceof Error ? error.message : String(error));
  const lines = text.split('\n').filter((line) => line !== '');
  const [line = lines[0]] = ['fatal: ', 'error: '].flatMap(
    (word) => lines.find((one) => one.startsWith(word)) ?? [],
  );
  const said = line
    ?.replace(/^(fatal|error): /, '')
    .replace(/\.+$/, '')
    .trim();
  return said ?? 'git failed without a word';
}

function unreadable(repository: Repository, problem: string): PreviewError {
  return new PreviewError(
    'repository-unreadable',
    `The repository ${repository.url} cannot be read: ${problem}.`,
    `Check it with "git ls-remote ${repository.url}" and "git fetch", run as the user who runs pool.`,
  );
}
