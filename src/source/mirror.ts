import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SimpleGit, simpleGit } from 'simple-git';
import { PreviewError } from '../errors.ts';
import { plainLine } from '../plain-text.ts';
import { CommitSet } from './commit-set.ts';
import { gitEnvironment } from './git-environment.ts';
import { endMarked, FETCHING, removeHalfFetched, removeHalfWritten } from './left-over-git.ts';
import { parseRefs, RefTable } from './ref-table.ts';
import { explainRemote } from './remote-problem.ts';
import { transportOf } from './remote-url.ts';
import {
  accessProblem,
  type Repository,
  remoteEnvironment,
  writeRemoteSettings,
} from './remote.ts';

/** How long a remote is waited for. */
export interface Patience {
  /** A first copy of a large repository takes long. */
  fetchMs: number;
  /** Git tells each second how far it is: one that says nothing for so long hangs. */
  silenceMs: number;
  /** A start waits so long for a fetch where there is a copy to serve from: near remotes need less. */
  startMs: number;
  /** And so long where there is none: then pool serves, and says that the copy is under way. */
  firstMs: number;
}

export const PATIENCE: Patience = {
  fetchMs: 60 * 60_000,
  silenceMs: 120_000,
  startMs: 300,
  firstMs: 10_000,
};

/** How far git is: `Receiving objects:  41% (410/1000), 12.00 MiB | 5.00 MiB/s`. */
const PROGRESS =
  /(?:(?:Counting|Compressing|Receiving) objects|Resolving deltas): +[0-9]+%[^\r\n]*/g;

/** Often enough to see that it goes on, seldom enough for a log. */
const TELL_MS = 5000;

/** How git says that objects of its own are lost, and not that it is not there or may not read. */
const DAMAGED = /^(fatal|error): .*\b(object|pack|packfile)\b/m;

const REF_FIELDS = ['refname', 'objectname', 'objecttype', '*objectname', '*objecttype'];

/**
 * No hook runs. The transports are the environment's to open: nothing here could widen that. All
 * that is fetched becomes a pack, for git takes single objects apart without a word of progress,
 * and silence ends a fetch.
 */
const MIRROR_CONFIG = `[core]
	repositoryformatversion = 1
	bare = true
	hooksPath = /dev/null
[fetch]
	unpackLimit = 1
[extensions]
	objectFormat = `;

/** A repository's ids are 40 or 64 digits long, all of them. */
type ObjectFormat = 'sha1' | 'sha256';

/** How git says that the remote's ids are of the other kind. */
const OTHER_FORMAT =
  /mismatched algorithms|does not support (?:this repository's object format|algorithm)/;

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
  /** How far the fetch that is under way is, in git's words. */
  progress: string | undefined;
  readonly #patience: Patience;
  readonly #tell: (progress: string) => void;
  #toldAt = 0;
  #triedAt = 0;
  #fetching: Promise<void> | undefined;
  #seen: string | undefined;

  private constructor(
    repository: Repository,
    folder: string,
    patience: Patience,
    tell: (progress: string) => void = () => {},
  ) {
    this.repository = repository;
    this.folder = folder;
    this.#patience = patience;
    this.#tell = tell;
  }

  /**
   * Opens or makes the mirror below `parent`, and fetches; a slow remote is waited for longer where
   * there is no earlier copy to serve from. Throws `repository-unreadable` where there is none and
   * the remote refuses within that time. `tell` hears every few seconds how far a fetch is. An
   * earlier copy that is `enough` is not fetched.
   */
  static async open(
    repository: Repository,
    parent: string,
    signal: AbortSignal,
    patience = PATIENCE,
    tell?: (progress: string) => void,
    enough: (table: RefTable) => boolean = () => false,
  ): Promise<Mirror> {
    const folder = join(parent, `${repository.name}.git`);
    const mirror = new Mirror(repository, folder, patience, tell);
    await mirror.#init(await mirror.#readFormat());
    const copied = await mirror.#readCopyOf(repository.url, signal);
    if (copied) {
      mirror.defaultBranch = await mirror.#readHead();
    } else {
      await rm(join(mirror.folder, 'pool-source'), { force: true });
    }
    if (copied && enough(mirror.table)) return mirror;
    const waitMs = copied ? patience.startMs : patience.firstMs;
    await Promise.race([mirror.refresh(signal), sleep(waitMs, undefined, { ref: false })]);
    if (mirror.problem !== undefined && mirror.#seen === undefined) {
      throw unreadable(repository, mirror.problem);
    }
    return mirror;
  }

  /** Asks a remote and copies nothing. Returns what is wrong with it, in a sentence. */
  static async ask(repository: Repository, patienceMs: number): Promise<string | undefined> {
    const parent = await mkdtemp(join(tmpdir(), 'pool-'));
    try {
      const patience = { ...PATIENCE, silenceMs: patienceMs };
      const mirror = new Mirror(repository, join(parent, 'asked.git'), patience);
      await mirror.#init('sha1');
      const signal = AbortSignal.timeout(patienceMs);
      return await mirror.#attempt(() => mirror.#askHead(signal), signal);
    } finally {
      await rm(parent, { recursive: true, force: true });
    }
  }

  /** Told while nothing can be served yet, since the first copy is still under way. */
  get copying(): string | undefined {
    if (this.#seen !== undefined || this.fetchingSince === undefined) return undefined;
    const far = this.progress === undefined ? '' : ` (${this.progress})`;
    return `The repository is being copied for the first time${far}.`;
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
    return await this.#git(gitEnvironment(this.folder), signal).raw([...args]);
  }

  /** What `git init --bare` makes, less the templates: no hook and no filter of this machine comes in. */
  async #init(format: ObjectFormat): Promise<void> {
    await mkdir(join(this.folder, 'objects'), { recursive: true });
    await mkdir(join(this.folder, 'refs'), { recursive: true });
    await removeHalfWritten(this.folder);
    await this.#writeHead((await this.#readHead()) ?? 'main');
    await this.#write('config', `${MIRROR_CONFIG}${format}\n`);
    await writeRemoteSettings(this.folder, this.repository);
  }

  async #readFormat(): Promise<ObjectFormat> {
    const config = await readFile(join(this.folder, 'config'), 'utf8').catch(() => '');
    return config.endsWith(' sha256\n') ? 'sha256' : 'sha1';
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
    const limited = AbortSignal.any([signal, AbortSignal.timeout(this.#patience.fetchMs)]);
    this.fetches += 1;
    this.fetchingSince = Date.now();
    this.#toldAt = Date.now();
    this.problem = await this.#attempt(async () => {
      const first = this.#seen === undefined;
      const asked = this.#askHead(limited);
      asked.catch(() => {});
      // Side by side, unless a page may turn out to be no repository, or a mirror of another format.
      if (first || transportOf(this.repository.url) === 'https') await asked;
      const moved = await this.#fetchRefs(limited);
      this.defaultBranch = await asked;
      await this.#readTable(limited, moved);
      if (this.defaultBranch !== undefined) await this.#writeHead(this.defaultBranch);
      await this.#write('pool-source', this.repository.url);
      this.fetchedAt = Date.now();
      // A first fetch writes a file for each ref: with 50,000 each later look costs seconds.
      if (first) await this.read(['pack-refs', '--all'], limited);
    }, limited);
    this.#triedAt = Date.now();
    this.fetchingSince = undefined;
    this.progress = undefined;
  }

  /** Never rejects: returns what is wrong, in a sentence, and leaves no process behind. */
  async #attempt(work: () => Promise<unknown>, signal: AbortSignal): Promise<string | undefined> {
    const problem = await accessProblem(this.repository);
    if (problem !== undefined) return problem;
    try {
      await work();
      return undefined;
    } catch (error) {
      await endMarked(`${FETCHING}=${this.folder}`);
      // Half a pack of each attempt would fill the disk, and keep it full.
      await removeHalfFetched(this.folder).catch(() => {});
      return explainRemote(signal.aborted ? new Error('timed out') : error, this.repository);
    }
  }

  /** Whether git had anything to say: then something came, and refs moved. */
  async #fetchRefs(signal: AbortSignal, again = false): Promise<boolean> {
    let heard = false;
    const { url } = this.repository;
    const heads = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
    const exact = ['--prune', '--no-tags', '--force', '--no-write-fetch-head'];
    // A shallow remote, such as a checkout of CI, has just the commits that it has.
    const options = ['--progress', '--update-shallow', '--no-recurse-submodules', ...exact];
    try {
      const git = this.#remote(signal, {}, (words) => {
        heard = true;
        this.#hear(words);
      });
      await git.raw(['fetch', ...options, '--', url, ...heads]);
      return heard;
    } catch (error) {
      if (again || !OTHER_FORMAT.test(String(error))) throw error;
      const other = (await this.#readFormat()) === 'sha1' ? 'sha256' : 'sha1';
      // No object of one kind can stand beside those of the other; an empty remote does not tell.
      await rm(this.folder, { recursive: true, force: true });
      await this.#init(other);
      return await this.#fetchRefs(signal, true);
    }
  }

  #hear(words: string): void {
    const said = words.match(PROGRESS)?.at(-1);
    if (said === undefined) return;
    this.progress = plainLine(said);
    if (Date.now() - this.#toldAt < TELL_MS) return;
    this.#toldAt = Date.now();
    this.#tell(this.progress);
  }

  /** The branch that the remote's HEAD names; throws before anything is pruned where it is no Git. */
  async #askHead(signal: AbortSignal): Promise<string | undefined> {
    const { url } = this.repository;
    let isGit = transportOf(url) !== 'https';
    const git = this.#remote(signal, { GIT_TRACE2_EVENT: '2' }, (words) => {
      isGit ||= words.includes('"negotiated-version"');
    });
    const head = await git.raw(['ls-remote', '--symref', '--', url, 'HEAD']);
    // Of a web page git makes a repository without branches.
    if (!isGit && head === '') throw new Error('fatal: not a git repository?');
    const branch = /^ref: refs\/heads\/(.+)\tHEAD$/m.exec(head)?.[1];
    return branch === undefined ? undefined : plainLine(branch);
  }

  /** Refs, and the reachable commits where a ref moved; beside them where that is sure to be so. */
  async #readTable(signal: AbortSignal, moved = false): Promise<void> {
    const format = REF_FIELDS.map((field) => `%(${field})`).join('%00');
    const scope = ['refs/heads', 'refs/tags'];
    const list = async () => await this.read(['rev-list', '--branches', '--tags'], signal);
    const early = moved ? list() : undefined;
    early?.catch(() => {});
    const refs = await this.read(['for-each-ref', `--format=${format}`, ...scope], signal);
    if (refs === this.#seen) return;
    const commits = await (early ?? list());
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
      const format = await this.#readFormat();
      await rm(this.folder, { recursive: true, force: true });
      await this.#init(format);
      return false;
    }
  }

  #remote(
    signal: AbortSignal,
    more: Record<string, string>,
    heard: (words: string) => void,
  ): SimpleGit {
    const environment = { ...remoteEnvironment(this.folder, this.repository), ...more };
    const git = this.#git(environment, signal, this.#patience.silenceMs);
    return git.outputHandler((_, _output, words) =>
      words.on('data', (text: Buffer) => heard(text.toString())),
    );
  }

  /** One instance a call: simple-git binds its abort signal when it is made. */
  #git(env: Record<string, string>, signal: AbortSignal, silenceMs = 0): SimpleGit {
    return simpleGit({
      baseDir: this.folder,
      abort: signal,
      allowEnvironment: Object.keys(env),
      timeout: { block: silenceMs },
    }).env(env);
  }
}

/** The failure of a repository that a fetch could not read. */
export function unreadable(repository: Repository, problem: string): PreviewError {
  return new PreviewError(
    'repository-unreadable',
    `The repository ${repository.url} cannot be read: ${problem}.`,
    `"pool doctor", run as the user who runs pool, looks again; docs/configuration.md tells of keys and tokens.`,
  );
}
