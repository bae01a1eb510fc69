import { type CommitId, SHORTEST_ABBREVIATION } from './commit-id.ts';

/**
 * Every commit that a mirror's branches and tags reach, as sorted bytes: 20 a commit, so that a
 * history of a million takes 20 MB. Answers "is it reachable?" and "which begin so?" without
 * handing a visitor's text to git.
 */
export class CommitSet {
  readonly #ids: Buffer;
  readonly #width: number;

  private constructor(ids: Buffer, width: number) {
    this.#ids = ids;
    this.#width = width;
  }

  /** From `git rev-list`'s output: one full id a line, in any order. */
  static parse(revList: string): CommitSet {
    const lines = revList.split('\n').filter((line) => line !== '');
    const width = (lines[0]?.length ?? 40) / 2;
    return new CommitSet(Buffer.from(lines.toSorted().join(''), 'hex'), width);
  }

  get size(): number {
    return this.#ids.length / this.#width;
  }

  has(id: CommitId): boolean {
    return this.#at(this.#lowerBound(id)) === id;
  }

  /** The commits whose ids begin with `prefix`, at most `limit` of them; none below 7 digits. */
  startingWith(prefix: string, limit = 10): CommitId[] {
    if (!/^[0-9a-f]+$/.test(prefix) || prefix.length < SHORTEST_ABBREVIATION) return [];
    const found: CommitId[] = [];
    for (let index = this.#lowerBound(prefix); found.length < limit; index++) {
      const id = this.#at(index);
      if (id === undefined || !id.startsWith(prefix)) break;
      found.push(id);
    }
    return found;
  }

  #at(index: number): CommitId | undefined {
    if (index >= this.size) return undefined;
    const start = index * this.#width;
    return this.#ids.toString('hex', start, start + this.#width) as CommitId;
  }

  /** Index of the first id that does not sort before `digits`. */
  #lowerBound(digits: string): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#at(middle) ?? '') < digits) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
