import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RepositoryName } from '../address/label.ts';
import { PreviewError } from '../errors.ts';
import type { CommitId } from './commit-id.ts';
import { Mirror, PATIENCE } from './mirror.ts';
import { remoteKey, type Repository } from './remote-access.ts';

/** Remotes of submodules that one pool copies: their names come out of commits. */
const MIRROR_LIMIT = 200;
/** No repository is named so: such a name has no full stop in it. */
const PREFIX = 'submodule.';

/** The mirrors of submodules' remotes, each shared by all commits and repositories that use it. */
export class SubmoduleMirrors {
  readonly #parent: string;
  readonly #closing: AbortSignal;
  readonly #opening = new Map<string, Promise<Mirror>>();
  readonly #ready = new Map<string, Mirror>();
  /** Folders that are there, or are about to be. */
  readonly #made = new Set<string>();

  constructor(parent: string, closing: AbortSignal) {
    this.#parent = parent;
    this.#closing = closing;
  }

  /**
   * The folder of the mirror that has `commit`, reachable from its branches and tags. Throws
   * `Unfetched` where the remote must be asked first, and a `PreviewError` where it was, in vain.
   */
  open(repository: Repository, commit: CommitId, since: number): string {
    const name = nameOf(repository);
    const mirror = this.#ready.get(name);
    if (mirror === undefined) throw new Unfetched(this.#open({ ...repository, name }, commit));
    if (mirror.table.commits.has(commit)) return mirror.folder;
    if (mirror.triedAt <= since) throw new Unfetched(mirror.refresh(this.#closing));
    throw mirror.problem === undefined
      ? unreachable(repository.url, commit)
      : unread(repository.url, mirror.problem);
  }

  async #open(repository: Repository, commit: CommitId): Promise<void> {
    const { name } = repository;
    const opening = this.#opening.get(name) ?? this.#make(repository, commit);
    this.#opening.set(name, opening);
    try {
      this.#ready.set(name, await opening);
    } finally {
      this.#opening.delete(name);
    }
  }

  async #make(repository: Repository, commit: CommitId): Promise<Mirror> {
    const found = (await readdir(this.#parent)).filter((name) => name.startsWith(PREFIX));
    for (const name of found) this.#made.add(name);
    const ours = `${repository.name}.git`;
    if (this.#made.size >= MIRROR_LIMIT && !this.#made.has(ours)) {
      throw tooManyMirrors(join(this.#parent, `${PREFIX}*`));
    }
    // Before its folder is there: others ask at the same time.
    this.#made.add(ours);
    const enough = ({ commits }: Mirror['table']) => commits.has(commit);
    return await Mirror.open(repository, this.#parent, this.#closing, PATIENCE, undefined, enough);
  }
}

/** Thrown where a remote must be fetched first. */
class Unfetched extends Error {
  readonly fetched: Promise<void>;

  constructor(fetched: Promise<void>) {
    super('a submodule is not fetched yet');
    // It may fail before anybody waits for it.
    fetched.catch(() => {});
    this.fetched = fetched;
  }
}

/**
 * Tries anew whenever a remote had to be fetched first. Who waits for that holds nothing of what
 * `attempt` takes: a remote that hangs holds up nobody else.
 */
export async function onceFetched<Result>(
  attempt: (since: number) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const since = Date.now();
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {});
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  for (;;) {
    try {
      return await attempt(since);
    } catch (error) {
      if (!(error instanceof Unfetched)) throw error;
      await Promise.race([error.fetched, aborted]);
    }
  }
}

function nameOf(repository: Repository): RepositoryName {
  const digest = createHash('sha256').update(remoteKey(repository));
  return `${PREFIX}${digest.digest('hex').slice(0, 24)}` as RepositoryName;
}

function unread(url: string, problem: string): PreviewError {
  return new PreviewError(
    'repository-unreadable',
    `The submodule ${url} cannot be read: ${problem}.`,
    'Mend that, and retry; docs/configuration.md tells what submodules are fetched with.',
  );
}

function unreachable(url: string, commit: CommitId): PreviewError {
  return new PreviewError(
    'submodules',
    `The submodule ${url} has no branch or tag that reaches ${commit.slice(0, 12)}, the commit that is wanted of it.`,
    'Push a branch or a tag with that commit there, and retry.',
  );
}

function tooManyMirrors(folders: string): PreviewError {
  return new PreviewError(
    'submodules',
    `Pool copies at most ${MIRROR_LIMIT} remotes of submodules, and this commit needs one more.`,
    `Whoever runs pool stops it, removes some or all of ${folders}, and allows fewer in "submodules".`,
  );
}
