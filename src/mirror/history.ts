import type { CommitId } from './commit-id.ts';
import { plainLine } from '../plain-text.ts';
import type { Mirror } from './mirror.ts';

/** What a person wants to know of a commit. */
export interface CommitSummary {
  id: CommitId;
  parents: CommitId[];
  author: string;
  /** Committer date, ms of the epoch. */
  date: number;
  subject: string;
}

/** Readings kept, some KB each: commits never change, so that none is read twice in a row. */
const KEPT = 1000;

/** A commit's texts may be of any length; a page is not. */
const SUBJECT_LIMIT = 200;
const AUTHOR_LIMIT = 100;

/** What a tar header can hold, in s of the epoch; git takes any number. */
const LATEST_S = 2 ** 33 - 1;

const FORMAT = ['%H', '%P', '%an', '%ct', '%s'].join('%x00');

/** Reads commits of mirrors, for all who ask at once and once. */
export class History {
  readonly #kept = new Map<string, Promise<CommitSummary[]>>();
  readonly #closing: AbortSignal;

  constructor(closing: AbortSignal) {
    this.#closing = closing;
  }

  /** One commit. */
  async commit(mirror: Pick<Mirror, 'read'>, id: CommitId): Promise<CommitSummary> {
    const [summary] = await this.last(mirror, id, 1);
    if (summary === undefined) throw new Error(`git log knows nothing of ${id}`);
    return summary;
  }

  /** The last `count` commits of the history of `tip`, newest first. */
  async last(mirror: Pick<Mirror, 'read'>, tip: CommitId, count: number): Promise<CommitSummary[]> {
    const key = `${tip} ${count}`;
    let reading = this.#kept.get(key);
    if (reading === undefined) {
      const args = ['log', `--max-count=${count}`, `--format=${FORMAT}`, tip, '--'];
      reading = mirror.read(args, this.#closing).then(parse);
      reading.catch(() => this.#kept.delete(key));
      this.#kept.set(key, reading);
      const [oldest] = this.#kept.keys();
      if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    }
    return await reading;
  }
}

function parse(output: string): CommitSummary[] {
  return output.split('\n').flatMap((line) => {
    const [id, parents = '', author = '', date, subject = ''] = line.split('\0');
    if (date === undefined) return [];
    const ids = parents.split(' ').filter((parent) => parent !== '');
    return [
      {
        id: id as CommitId,
        parents: ids as CommitId[],
        author: plainLine(author).slice(0, AUTHOR_LIMIT).toWellFormed(),
        date: Math.min(Number(date), LATEST_S) * 1000,
        subject: plainLine(subject).slice(0, SUBJECT_LIMIT).toWellFormed(),
      },
    ];
  });
}
