/** As long as a piece becomes: what a reader of the end copies at most. */
const PIECE_LENGTH = 64 * 1024;

/**
 * Text that grows at its end. Whoever follows it reads from an offset on; with one long string each
 * look would copy all of it once more.
 */
export class GrowingText {
  #pieces: string[] = [];
  #length = 0;

  constructor(text = '') {
    this.append(text);
  }

  get length(): number {
    return this.#length;
  }

  append(text: string): void {
    const last = this.#pieces.length - 1;
    const full = (this.#pieces[last]?.length ?? PIECE_LENGTH) >= PIECE_LENGTH;
    if (full) this.#pieces.push(text);
    else this.#pieces[last] += text;
    this.#length += text.length;
  }

  /** All of it from an offset on. */
  from(offset: number): string {
    let first = this.#pieces.length;
    let at = this.#length;
    while (first > 0 && at > offset) {
      first -= 1;
      at -= this.#pieces[first]?.length ?? 0;
    }
    return this.#pieces
      .slice(first)
      .join('')
      .slice(Math.max(0, offset - at));
  }
}
