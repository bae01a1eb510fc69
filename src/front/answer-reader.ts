import { LIMITS } from './limits.ts';
import type { AnswerHead } from './sending.ts';

/** What an answer tells, as it comes. */
export interface AnswerParts {
  /** A 1xx other than 101: more is to come. */
  onInterim(head: AnswerHead): void;
  /** `followed`: bytes of the body come with it. */
  onAnswer(head: AnswerHead, followed: boolean): void;
  /**
   * Bytes of the body, lent for the time of the call unless it returns true, which it may for big
   * pieces alone; `last` where none follow, trailers neither.
   */
  onData(bytes: Buffer, last: boolean): boolean;
  onEnd(trailers: readonly string[]): void;
}

// RFC 9112, sections 4 and 5, and nothing beside: no bare line feeds, folded lines or spaces before a colon.
const TOKEN = String.raw`[!#$%&'*+.^_\`|~\w-]+`;
const FIELD = String.raw`${TOKEN}:[\t\x20-\x7e\x80-\xff]*`;
const HEAD = new RegExp(
  String.raw`^HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?(?:\r\n${FIELD})*$`,
);
const TRAILER = new RegExp(`^${FIELD}$`);
const QUOTED = String.raw`"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"`;
/** RFC 9112, section 7.1: so many digits are still exact as a number. */
const CHUNK = new RegExp(`^([0-9a-f]{1,13})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`, 'i');
/** Extensions of chunks say nothing to anybody; a longer line is no honest one. */
const CHUNK_LINE_BYTES = 4096;
const DIGITS = /^[0-9]{1,15}$/;

type State = 'head' | 'sized' | 'chunk-line' | 'chunk' | 'chunk-end' | 'trailers' | 'to-the-end';

/**
 * Reads one answer of HTTP/1.1 out of the bytes of its connection, strictly: what two parsers could
 * read differently is an error. It asks for no copy of a body's bytes.
 */
export class AnswerReader {
  readonly #parts: AnswerParts;
  readonly #toHead: boolean;
  #state: State = 'head';
  /** What is here of a head or line that is not whole. */
  #text = '';
  #left = 0;
  #trailers: string[] = [];
  #trailerBytes = 0;
  #kept = false;
  /** The answer is whole. */
  done = false;
  /** Ms that the connection may serve the next request in; 0 where it may not. */
  keepMs = Infinity;

  /** `toHead`: the request was a HEAD, whose answer has no body. */
  constructor(parts: AnswerParts, toHead: boolean) {
    this.#parts = parts;
    this.#toHead = toHead;
  }

  /** Takes what came next; throws where that is no HTTP. True where bytes of it were kept. */
  push(bytes: Buffer): boolean {
    this.#kept = false;
    let at = 0;
    while (at < bytes.length && !this.done) at = this.#step(bytes, at);
    // More than the answer: whose would that be?
    if (at < bytes.length) this.keepMs = 0;
    return this.#kept;
  }

  /** The connection ended in peace; throws where the answer did not. */
  end(): void {
    if (this.#state !== 'to-the-end') throw new Error('it closed the connection too early');
    this.#finish([]);
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#take(bytes, at, '\r\n\r\n', LIMITS.headerBytes, this.#onHead);
      case 'chunk-line':
        return this.#take(bytes, at, '\r\n', CHUNK_LINE_BYTES, this.#onChunkLine);
      case 'chunk-end':
        return this.#take(bytes, at, '\r\n', 2, this.#onChunkEnd);
      case 'trailers':
        return this.#take(bytes, at, '\r\n', LIMITS.headerBytes, this.#onTrailer);
      case 'to-the-end':
        this.#give(bytes.subarray(at), false);
        return bytes.length;
      case 'sized':
      case 'chunk':
        return this.#body(bytes, at);
    }
  }

  /** Gathers text up to a mark, which may come in pieces. Returns where the rest begins. */
  #take(
    bytes: Buffer,
    at: number,
    mark: string,
    limit: number,
    on: (text: string, more: boolean) => void,
  ): number {
    const begun = this.#text;
    let end = begun === '' ? bytes.indexOf(mark, at, 'latin1') : -1;
    let text = bytes.toString('latin1', at, end === -1 ? bytes.length : end);
    if (end === -1) {
      const whole = begun + text;
      const found = whole.indexOf(mark, Math.max(0, begun.length - mark.length));
      if (found === -1) {
        if (whole.length > limit) throw tooLong(limit);
        this.#text = whole;
        return bytes.length;
      }
      end = at + found - begun.length;
      text = whole.slice(0, found);
      this.#text = '';
    }
    if (text.length > limit) throw tooLong(limit);
    on(text, end + mark.length < bytes.length);
    return end + mark.length;
  }

  #body(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    const sized = this.#state === 'sized';
    const last = sized && this.#left === 0;
    this.#give(bytes.subarray(at, end), last);
    if (last) this.#finish([]);
    else if (this.#left === 0) this.#state = 'chunk-end';
    return end;
  }

  #give(bytes: Buffer, last: boolean): void {
    if (this.#parts.onData(bytes, last)) this.#kept = true;
  }

  readonly #onHead = (text: string, more: boolean) => {
    const [, version, digits, message] = HEAD.exec(text) ?? [];
    const status = Number(digits);
    // HTTP/1.0 knows no interim answers.
    if (digits === undefined || (version === '0' && status < 200)) {
      throw new Error('its answer is not HTTP');
    }
    const { headers, lengths, codings, connection, keepAlive } = fieldsOf(text);
    const head = { status, message: message ?? '', headers };
    if (status === 101) throw new Error('it switched protocols unasked');
    if (status < 200) return this.#parts.onInterim(head);
    this.#frame(lengths, codings);
    const bodyless = this.#toHead || status === 204 || status === 304;
    const persists =
      version === '1' ? !/\bclose\b/i.test(connection) : /\bkeep-alive\b/i.test(connection);
    const delimited = bodyless || this.#state !== 'to-the-end';
    this.keepMs = persists && delimited ? keepMsOf(keepAlive) : 0;
    this.#parts.onAnswer(head, more && this.#state === 'sized');
    if (bodyless || (this.#state === 'sized' && this.#left === 0)) this.#finish([]);
  };

  /** RFC 9112, section 6.3. */
  #frame(lengths: readonly string[], codings: readonly string[]): void {
    const [length] = lengths;
    // With a tab beside it, it is none to some.
    if (codings.some((coding) => !/^ *chunked *$/i.test(coding)) || codings.length > 1) {
      throw new Error('its answer has a transfer coding other than chunked');
    }
    if (lengths.length + codings.length > 1 || (length !== undefined && !DIGITS.test(length))) {
      throw new Error('its answer has a length that can be read in two ways');
    }
    if (codings.length > 0) this.#state = 'chunk-line';
    else this.#state = length === undefined ? 'to-the-end' : 'sized';
    this.#left = Number(length ?? 0);
  }

  readonly #onChunkLine = (text: string) => {
    const [, digits] = CHUNK.exec(text) ?? [];
    if (digits === undefined) throw new Error('its answer has a chunk without a size');
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
  };

  readonly #onChunkEnd = (text: string) => {
    if (text !== '') throw new Error('its answer has a chunk longer than its size');
    this.#state = 'chunk-line';
  };

  readonly #onTrailer = (text: string) => {
    if (text === '') return this.#finish(this.#trailers);
    this.#trailerBytes += text.length;
    if (this.#trailerBytes > LIMITS.headerBytes) throw tooLong(LIMITS.headerBytes);
    if (!TRAILER.test(text)) throw new Error('its answer has a trailer that is none');
    const colon = text.indexOf(':');
    this.#trailers.push(text.slice(0, colon), trimmed(text, colon + 1, text.length));
  };

  #finish(trailers: readonly string[]): void {
    this.done = true;
    this.#parts.onEnd(trailers);
  }
}

/** A head's fields, name and value in turn, and those that frame the message. */
function fieldsOf(text: string) {
  const headers: string[] = [];
  const lengths: string[] = [];
  const codings: string[] = [];
  let connection = '';
  let keepAlive = '';
  for (let at = text.indexOf('\r\n'); at !== -1;) {
    const next = text.indexOf('\r\n', at + 2);
    const colon = text.indexOf(':', at + 2);
    const name = text.slice(at + 2, colon);
    const end = next === -1 ? text.length : next;
    const value = trimmed(text, colon + 1, end);
    headers.push(name, value);
    // Most names are told apart by their length alone.
    const { length } = name;
    if (length === 14 && name.toLowerCase() === 'content-length') lengths.push(value);
    else if (length === 17 && name.toLowerCase() === 'transfer-encoding')
      codings.push(text.slice(colon + 1, end));
    else if (length === 10 && name.toLowerCase() === 'connection') connection += `,${value}`;
    else if (length === 10 && name.toLowerCase() === 'keep-alive') keepAlive = value;
    at = next;
  }
  return { headers, lengths, codings, connection, keepAlive };
}

/** `Keep-Alive: timeout=5`: a second less, for what is under way when it runs out. */
function keepMsOf(keepAlive: string): number {
  const seconds = keepAlive === '' ? undefined : /\btimeout=([0-9]+)/i.exec(keepAlive)?.[1];
  return seconds === undefined ? Infinity : (Number(seconds) - 1) * 1000;
}

/** A slice without the blanks around it. */
function trimmed(text: string, from: number, to: number): string {
  let [begin, end] = [from, to];
  while (begin < end && isBlank(text.charCodeAt(begin))) begin += 1;
  while (end > begin && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(begin, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

function tooLong(limit: number): Error {
  return new Error(`its answer has a head or line of more than ${limit} bytes`);
}
