import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Enough for any build that a person reads; a log beyond it keeps its head, and its last lines. */
const LOG_LIMIT = 4 * 2 ** 20;
const TAIL_LIMIT = 64 * 1024;

/** A piece of a log: text, and the offset after it, in UTF-16 units from the log's start. */
export interface LogPiece {
  text: string;
  next: number;
}

/**
 * What a build and a start said, live and in a file. One preview has one; it is in memory while
 * it grows and is read from its file afterwards.
 */
export class BuildLog {
  readonly #file: string;
  readonly #onProblem: (error: Error) => void;
  #text = '';
  #overflow = '';
  #lost = 0;
  /** How often it began anew. */
  #edition = 0;
  #stream: WriteStream | undefined;
  #grown = Promise.withResolvers<void>();
  #state: 'unread' | 'growing' | 'ended' = 'unread';

  constructor(file: string, onProblem: (error: Error) => void) {
    this.#file = file;
    this.#onProblem = onProblem;
  }

  /** Goes on after what an earlier attempt left. A disk that is full costs the file only. */
  async begin(): Promise<void> {
    this.#text = await this.read();
    this.#overflow = '';
    this.#lost = 0;
    this.#state = 'growing';
    await mkdir(dirname(this.#file), { recursive: true }).catch(this.#onProblem);
    // One that reached its limit tells no more: begin anew rather than grow with each attempt.
    if (this.#text.length > LOG_LIMIT) this.clear();
    else this.#open('a');
  }

  /** Drops what is there: a new build tells its own story. */
  clear(): void {
    this.#edition += 1;
    this.#text = '';
    this.#overflow = '';
    this.#lost = 0;
    this.#open('w');
  }

  /** Adds lines that were made plain. */
  write(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const text = `${lines.join('\n')}\n`;
    // What comes after the first overflow stays behind it, however short it is.
    if (this.#text.length + text.length <= LOG_LIMIT && this.#overflow === '') {
      this.#append(text);
      return;
    }
    const kept = (this.#overflow + text).slice(-TAIL_LIMIT);
    this.#lost += this.#overflow.length + text.length - kept.length;
    this.#overflow = kept;
  }

  /** Nothing comes after this until `begin`. */
  end(): void {
    if (this.#overflow !== '') {
      const gap = this.#lost === 0 ? '' : `… ${this.#lost} characters left out …\n`;
      this.#append(gap + this.#overflow);
    }
    this.#overflow = '';
    this.#state = 'ended';
    // Once the file has it all, memory need not; a file that failed leaves it here.
    const stream = this.#stream;
    stream?.once('finish', () => {
      if (this.#state === 'ended' && this.#stream === stream) this.#text = '';
    });
    stream?.end();
    this.#wake();
  }

  /** Everything so far. */
  async read(): Promise<string> {
    if (this.#text !== '' || this.#state === 'growing') return this.#text;
    return await readFile(this.#file, 'utf8').catch(() => '');
  }

  /** The log from an offset on, piece by piece, until it ends. */
  async *follow(from: number, signal: AbortSignal): AsyncGenerator<LogPiece> {
    let next = from;
    let edition = this.#edition;
    const left = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => left.resolve(), { once: true });
    while (!signal.aborted) {
      const grown = this.#grown.promise;
      const text = await this.read();
      if (edition !== this.#edition || next > text.length) next = 0;
      edition = this.#edition;
      if (next < text.length) {
        const piece = { text: text.slice(next), next: text.length };
        next = piece.next;
        yield piece;
      } else if (this.#state === 'growing') {
        await Promise.race([grown, left.promise]);
      } else {
        return;
      }
    }
  }

  #open(flags: 'a' | 'w'): void {
    this.#stream?.end();
    this.#stream = createWriteStream(this.#file, { flags }).on('error', this.#onProblem);
  }

  #append(text: string): void {
    this.#text += text;
    this.#stream?.write(text);
    this.#wake();
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers<void>();
  }
}
