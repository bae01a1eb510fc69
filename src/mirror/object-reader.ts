import type { Socket } from 'node:net';
import { ByteReader } from './byte-reader.ts';
import type { CommitId } from './commit-id.ts';
import { runGit } from './git-process.ts';

/** The questions of one first visit come within a moment. */
const KEEP_MS = 1000;

/** Some MB each; a commit with a hundred submodules asks as many repositories. */
const KEPT = 8;

const kept = new Map<string, ObjectReader>();

/** What is read of a blob: no text where it is above the limit. */
export interface SmallBlob {
  size: number;
  text: string;
}

/** A blob that is known to be small, as text. */
export async function readText(
  gitDir: string,
  object: string,
  signal: AbortSignal,
): Promise<string> {
  const blob = await read(gitDir, object, Infinity, signal);
  if (blob === undefined) throw new Error(`git has no blob ${object}`);
  return blob.text;
}

/**
 * A file at a commit's top, as text where it is not above `limit`; a link's text is where it leads.
 * `name` is a constant of ours.
 */
export async function readTopFile(
  gitDir: string,
  commit: CommitId,
  name: `.${string}`,
  limit: number,
  signal: AbortSignal,
): Promise<SmallBlob | undefined> {
  return await read(gitDir, `${commit}:${name}`, limit, signal);
}

/** Has git at hand for the questions of a visit, while something else is waited for anyway. */
export function expectQuestions(gitDir: string, commit: string): void {
  try {
    readerOf(gitDir, commit);
  } catch {
    // Whoever asks will hear of it.
  }
}

async function read(
  gitDir: string,
  name: string,
  limit: number,
  signal: AbortSignal,
): Promise<SmallBlob | undefined> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([readerOf(gitDir, name).read(name, limit), aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Ids of another length are another format's, which a process does not come to know. */
function readerOf(gitDir: string, name: string): ObjectReader {
  const digits = /^[0-9a-f]*/.exec(name)?.[0].length ?? 0;
  const key = `${digits} ${gitDir}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  if (kept.size >= KEPT) kept.values().next().value?.end();
  const reader = new ObjectReader(gitDir, () => kept.delete(key));
  kept.set(key, reader);
  return reader;
}

/**
 * One git process that answers questions one after the other, and ends when none came for a while.
 * To start one holds everything else up for milliseconds, the more the larger this process is.
 */
class ObjectReader {
  readonly #git: ReturnType<typeof runGit>;
  readonly #bytes: ByteReader;
  readonly #gitDir: string;
  readonly #onEnd: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #asked = 0;
  #ended = false;
  readonly #idle: NodeJS.Timeout;

  constructor(gitDir: string, onEnd: () => void) {
    this.#gitDir = gitDir;
    this.#onEnd = onEnd;
    this.#git = runGit(gitDir, ['cat-file', '--batch'], new AbortController().signal);
    const { child, stdin, ended } = this.#git;
    this.#bytes = new ByteReader(child.stdout, ended);
    this.#idle = setTimeout(() => this.end(), KEEP_MS).unref();
    stdin.on('error', () => {});
    child.once('exit', () => this.end());
    // It keeps pool from nothing; a question does, until it is answered.
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as Socket).unref();
  }

  read(name: string, limit: number): Promise<SmallBlob | undefined> {
    this.#asked += 1;
    (this.#git.stdout as Socket).ref();
    const answer = this.#last.then(
      // It ended on a question before this one.
      async () =>
        await (this.#ended
          ? readerOf(this.#gitDir, name).read(name, limit)
          : this.#read(name, limit)),
    );
    this.#last = answer
      .catch(() => this.end())
      .finally(() => {
        this.#asked -= 1;
        // A cleared timer that is refreshed would run again.
        if (!this.#ended) this.#idle.refresh();
        if (this.#asked === 0) (this.#git.stdout as Socket).unref();
      });
    return answer;
  }

  /** Ends it once what was asked is answered. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#idle);
    this.#onEnd();
    this.#git.stdin.end();
  }

  async #read(name: string, limit: number): Promise<SmallBlob | undefined> {
    this.#git.stdin.write(`${name}\n`);
    const header = await this.#bytes.line();
    if (header === `${name} missing`) return undefined;
    const size = Number(/^[0-9a-f]+ blob ([0-9]+)$/.exec(header)?.[1]);
    if (Number.isNaN(size) || size > limit) {
      // What follows is not worth reading.
      this.end();
      this.#git[Symbol.dispose]();
      return Number.isNaN(size) ? undefined : { size, text: '' };
    }
    const chunks = await Array.fromAsync(this.#bytes.take(size));
    await this.#bytes.line();
    return { size, text: Buffer.concat(chunks).toString('utf8') };
  }
}
