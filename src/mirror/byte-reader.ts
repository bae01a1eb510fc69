import type { Readable } from 'node:stream';

/** Takes a stream apart into lines and runs of bytes. */
export class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  readonly #ended: Promise<void>;
  #held: Buffer = Buffer.alloc(0);

  constructor(stream: Readable, ended: Promise<void>) {
    this.#ended = ended;
    this.#source = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    let end = this.#held.indexOf(0x0a);
    while (end === -1) {
      this.#held = Buffer.concat([this.#held, await this.#next()]);
      end = this.#held.indexOf(0x0a);
    }
    const line = this.#held.toString('utf8', 0, end);
    this.#held = this.#held.subarray(end + 1);
    return line;
  }

  async *take(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0;) {
      if (this.#held.length === 0) this.#held = await this.#next();
      const chunk = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(chunk.length);
      left -= chunk.length;
      yield chunk;
    }
  }

  async #next(): Promise<Buffer> {
    const { value, done } = await this.#source.next();
    if (!done) return value;
    // It says why it ended, an abort first of all.
    await this.#ended;
    throw new Error('git ended in the middle of an object');
  }
}
