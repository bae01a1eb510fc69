import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommitSet } from './commit-set.ts';
import { gitIn } from './git-process.ts';
import {
  makeFolder,
  type ObjectFormat,
  readFormat,
  readHead,
  writeHead,
  writeWhole,
} from './mirror-folder.ts';
import { expectQuestions } from './object-reader.ts';
import { parseRefs, RefTable } from './ref-table.ts';
import type { Repository } from './remote-access.ts';
import { transportOf } from './remote-url.ts';
import { askHead, attempt, fetchRefs, isOtherFormat, type Remote } from './remote.ts';

/** How long a remote is waited for. */
export const PATIENCE = {
  /** A first copy of a large repository takes long. */
  fetchMs: 60 * 60_000,
  /** Git tells each second how far it is: one that says nothing for so long hangs. */
  silenceMs: 120_000,
  /** A start waits so long for a fetch where there is a copy to serve from: near remotes need less. */
  startMs: 300,
  /** And so long where there is none: then pool serves, and says that the copy is under way. */
  firstMs: 10_000,
  /** A first copy that failed is tried anew so often, whether anybody comes by or not. */
  againMs: 60_000,
};

/** Hears what becomes of fetches: how far one is, that they fail, and that they work again. */
export type FetchListener = (
  event: 'fetching' | 'fetch-failed' | 'fetched',
  told: { progress?: string; problem?: string },
) => void;

/** Often enough to see that it goes on, seldom enough for a log. */
const TELL_MS = 5000;

/** How git says that objects of its own are lost, and not that it is not there or may not read. */
const DAMAGED = /^(fatal|error): .*\b(object|pack|packfile)\b/m;

/** Says of which URL a folder has a whole copy. */
const SOURCE = 'pool-source';

const REF_FIELDS = ['refname', 'objectname', 'objecttype', '*objectname', '*objecttype'];

/**
 * A bare copy of a repository's branches and tags, and nothing else of it. All visitors share one
 * fetch; a remote that is down leaves the last table in place.
 */
export class Mirror implements Remote {
  readonly repository: Repository;
  readonly folder: string;
  readonly silenceMs: number;
  table = new RefTable([], CommitSet.parse(''));
  /** The branch that the remote's HEAD names, where it names one. */
  defaultBranch: string | undefined;
  /** When the last fetch that succeeded ended, in ms of the epoch; 0 before the first. */
  fetchedAt = 0;
  /** When the last fetch ended, whether it succeeded or not, in ms of the epoch. */
  triedAt = 0;
  /** Why the last fetch failed, in a sentence; `undefined` after one that succeeded. */
  problem: string | undefined;
  /** Whether that is sure to stay so until somebody mends the configuration, or what it names. */
  lasting = false;
  /** How many fetches there were. */
  fetches = 0;
  /** When the fetch that is under way began, in ms of the epoch. */
  fetchingSince: number | undefined;
  /** How far the fetch that is under way is, in git's words. */
  progress: string | undefined;
  readonly #fetchMs: number;
  readonly #againMs: number;
  readonly #tell: FetchListener;
  #toldAt = 0;
  #prepared = false;
  #fetching: Promise<void> | undefined;
  #seen: string | undefined;

  private constructor(
    repository: Repository,
    folder: string,
    patience: typeof PATIENCE,
    tell: FetchListener,
  ) {
    this.repository = repository;
    this.folder = folder;
    this.silenceMs = patience.silenceMs;
    this.#fetchMs = patience.fetchMs;
    this.#againMs = patience.againMs;
    this.#tell = tell;
  }

  /**
   * Opens or makes the mirror below `parent`, and fetches; a slow remote is waited for longer where
   * there is no earlier copy to serve from. Whatever goes wrong is its `problem`. `tell` hears every
   * few seconds how far a fetch is. An earlier copy that is `enough` is not fetched.
   */
  static async open(
    repository: Repository,
    parent: string,
    signal: AbortSignal,
    patience = PATIENCE,
    tell: FetchListener = () => {},
    enough: (table: RefTable) => boolean = () => false,
  ): Promise<Mirror> {
    const mirror = new Mirror(repository, join(parent, `${repository.name}.git`), patience, tell);
    // The fetch tries it once more, and says what is wrong.
    await mirror.#prepare(signal).catch(() => {});
    if (mirror.copied && enough(mirror.table)) return mirror;
    const waitMs = mirror.copied ? patience.startMs : patience.firstMs;
    await Promise.race([mirror.refresh(signal), sleep(waitMs, undefined, { ref: false })]);
    return mirror;
  }

  /** Whether there is a copy to serve from. */
  get copied(): boolean {
    return this.#seen !== undefined;
  }

  /** Fetches at a slow pace until there is a first copy. */
  async fetchUntilCopied(signal: AbortSignal): Promise<void> {
    while (!this.copied && !signal.aborted) {
      await sleep(this.#againMs, undefined, { signal, ref: false }).catch(() => {});
      if (!this.copied && !signal.aborted) await this.refresh(signal);
    }
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
    return await gitIn(this.folder, signal).raw([...args]);
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const { url } = this.repository;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(this.#fetchMs)]);
    this.fetches += 1;
    this.fetchingSince = Date.now();
    this.#toldAt = Date.now();
    const work = async () => {
      await this.#prepare(limited);
      const first = !this.copied;
      // Side by side, unless a page may turn out to be no repository, or a mirror of another format.
      const alone = first || transportOf(url) === 'https';
      const head = alone ? await askHead(this, limited) : undefined;
      const fetching = this.#fetchRefs(() => asked, limited);
      const asked = alone ? Promise.resolve(head) : askHead(this, limited);
      // By then the fetch is under way, and this process has nothing to do.
      asked.then(
        () => this.#expectQuestions(),
        () => {},
      );
      const moved = await fetching;
      this.defaultBranch = await asked;
      await this.#readTable(limited, moved);
      if (this.defaultBranch !== undefined) await writeHead(this.folder, this.defaultBranch);
      await writeWhole(this.folder, SOURCE, url);
      this.fetchedAt = Date.now();
      // A first fetch writes a file for each ref: with 50,000 each later look costs seconds.
      if (first) await this.read(['pack-refs', '--all'], limited);
    };
    const { words, lasting = false } = (await attempt(this, work, limited)) ?? {};
    const news = words !== this.problem && !signal.aborted;
    this.problem = words;
    this.lasting = lasting;
    this.triedAt = Date.now();
    this.fetchingSince = undefined;
    this.progress = undefined;
    if (!news) return;
    if (words === undefined) this.#tell('fetched', {});
    else this.#tell('fetch-failed', { problem: words });
  }

  /** Makes the folder, and reads the copy that is in it. */
  async #prepare(signal: AbortSignal): Promise<void> {
    if (this.#prepared) return;
    const { folder, repository } = this;
    await makeFolder(folder, repository, await readFormat(folder));
    if (await this.#readCopy(signal)) this.defaultBranch = await readHead(folder);
    else await rm(join(folder, SOURCE), { force: true });
    this.#prepared = true;
  }

  #expectQuestions(): void {
    const [known] = this.table.refs;
    if (known !== undefined) expectQuestions(this.folder, known.commit);
  }

  async #fetchRefs(beside: () => Promise<unknown>, signal: AbortSignal): Promise<boolean> {
    const hear = (progress: string) => this.#hear(progress);
    try {
      return await fetchRefs(this, hear, signal);
    } catch (error) {
      if (!isOtherFormat(error)) throw error;
      // Git cannot work in a folder that is taken away.
      await beside().catch(() => {});
      // No object of one kind can stand beside those of the other; an empty remote does not tell.
      await this.#beginAnew((await readFormat(this.folder)) === 'sha1' ? 'sha256' : 'sha1');
      return await fetchRefs(this, hear, signal);
    }
  }

  #hear(progress: string): void {
    this.progress = progress;
    if (Date.now() - this.#toldAt < TELL_MS) return;
    this.#toldAt = Date.now();
    this.#tell('fetching', { progress });
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

  /** Reads the copy where there is one; one that a power failure damaged is thrown away. */
  async #readCopy(signal: AbortSignal): Promise<boolean> {
    const source = await readFile(join(this.folder, SOURCE), 'utf8').catch(() => undefined);
    // A name that now stands for another repository must not serve the old one's commits.
    if (source !== this.repository.url) return false;
    try {
      await this.#readTable(signal);
      return true;
    } catch (error) {
      if (!(error instanceof Error) || !DAMAGED.test(error.message)) throw error;
      // All of it: a fetch asks for no object again that it believes to have.
      await this.#beginAnew(await readFormat(this.folder));
      return false;
    }
  }

  /** Leaves nothing of the copy. */
  async #beginAnew(format: ObjectFormat): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    await makeFolder(this.folder, this.repository, format);
  }
}

/** Why the repository of a name cannot be served at all yet, or as it is now; where that is so. */
export function troubleWith(
  name: string,
  { copied, problem, progress, fetchingSince }: Mirror,
): string | undefined {
  if (copied) return problem && `The last fetch of ${name} failed: ${problem}.`;
  if (problem !== undefined && progress === undefined)
    return `The repository ${name} could not be fetched yet: ${problem}.`;
  if (fetchingSince === undefined) return undefined;
  const far = progress === undefined ? '' : ` (${progress})`;
  return `The repository ${name} is being copied for the first time${far}.`;
}
