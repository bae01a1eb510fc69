import { close, createWriteStream, open, write, type WriteStream, writev } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrowingText } from './growing-text.ts';

/**
 * Enough for any build that a person reads; a log beyond it keeps its head, and the last lines,
 * where the reason of a failure stands. Both in UTF-16 units.
 */
const HEAD_LIMIT = 4 * 2 ** 20;
const TAIL_LIMIT = 64 * 1024;

/** Who follows gets what was said meanwhile in one piece: nobody reads faster. */
const PACE_MS = 50;

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
  #text = new GrowingText();
  /** Whole lines beyond the head, and how much before them is lost. */
  #tail = '';
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
    this.#startFrom(await this.read());
    this.#state = 'growing';
    await mkdir(dirname(this.#file), { recursive: true }).catch(this.#onProblem);
    // One that reached its limit tells no more: begin anew rather than grow with each attempt.
    if (this.#text.length > HEAD_LIMIT) this.clear();
    else this.#open('a');
  }

  /** Drops what is there: a new build tells its own story. */
  clear(): void {
    this.#edition += 1;
    this.#startFrom('');
    this.#open('w');
  }

  /** Forgets it, and its file. */
  async remove(): Promise<void> {
    this.#edition += 1;
    this.#text = new GrowingText();
    await rm(this.#file, { force: true });
  }

  /** Adds lines that were made plain. */
  write(lines: readonly string[]): void {
    const fitting = this.#fitting(lines);
    if (fitting > 0) this.#append(`${lines.slice(0, fitting).join('\n')}\n`);
    if (fitting === lines.length) return;
    this.#tail += `${lines.slice(fitting).join('\n')}\n`;
    if (this.#tail.length > 2 * TAIL_LIMIT) this.#cutTail();
  }

  /** Nothing comes after this until `begin`. */
  end(): void {
    this.#cutTail();
    const gap = this.#lost === 0 ? '' : `… ${this.#lost} characters left out …\n`;
    if (gap + this.#tail !== '') this.#append(gap + this.#tail);
    this.#tail = '';
    this.#state = 'ended';
    // Once the file has it all, memory need not; a file that failed leaves it here.
    const stream = this.#stream;
    stream?.once('finish', () => {
      if (this.#state === 'ended' && this.#stream === stream) this.#text = new GrowingText();
    });
    stream?.end();
    this.#wake();
  }

  /** Everything so far. */
  async read(): Promise<string> {
    return (await this.#whole()).from(0);
  }

  /** The log from an offset on, piece by piece, until it ends. */
  async *follow(from: number, signal: AbortSignal): AsyncGenerator<LogPiece> {
    let next = from;
    let edition = this.#edition;
    const left = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => left.resolve(), { once: true });
    while (!signal.aborted) {
      const grown = this.#grown.promise;
      // Before the log is read: what happens while that goes on must not be missed.
      const growing = this.#state === 'growing';
      const current = this.#edition;
      const text = await this.#whole();
      if (edition !== current || next > text.length) next = 0;
      edition = current;
      if (next < text.length) {
        const piece = { text: text.from(next), next: text.length };
        next = piece.next;
        yield piece;
        if (growing) await Promise.race([sleep(PACE_MS), left.promise]);
      } else if (growing) {
        await Promise.race([grown, left.promise]);
      } else {
        return;
      }
    }
  }

  #startFrom(text: string): void {
    this.#text = new GrowingText(text);
    this.#tail = '';
    this.#lost = 0;
  }

  async #whole(): Promise<GrowingText> {
    if (this.#text.length > 0 || this.#state === 'growing') return this.#text;
    return new GrowingText(await readFile(this.#file, 'utf8').catch(() => ''));
  }

  /** How many lines still belong to the head; what follows one that did not fit never does. */
  #fitting(lines: readonly string[]): number {
    if (this.#tail !== '') return 0;
    let room = HEAD_LIMIT - this.#text.length;
    const over = lines.findIndex((line) => (room -= line.length + 1) < 0);
    return over === -1 ? lines.length : over;
  }

  /** Lines go as a whole. */
  #cutTail(): void {
    if (this.#tail.length <= TAIL_LIMIT) return;
    const cut = this.#tail.indexOf('\n', this.#tail.length - TAIL_LIMIT - 1) + 1;
    this.#lost += cut;
    this.#tail = this.#tail.slice(cut);
  }

  /** Opens once the stream before has closed: what that still writes would else come in between. */
  #open(flags: 'a' | 'w'): void {
    const before = this.#stream;
    const closed = Promise.withResolvers<void>();
    if (before === undefined || before.closed) closed.resolve();
    else before.once('close', closed.resolve).end();
    const later = (...how: Parameters<typeof open>) => void closed.promise.then(() => open(...how));
    const fs = { open: later as typeof open, write, writev, close };
    this.#stream = createWriteStream(this.#file, { flags, fs }).on('error', this.#onProblem);
  }

  #append(text: string): void {
    this.#text.append(text);
    this.#stream?.write(text);
    this.#wake();
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers<void>();
  }
}
