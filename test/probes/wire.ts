import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE_MS, type Staged, valuesOf } from './application.ts';
import type { Target } from './probe.ts';

/** An answer as its bytes came; texts are Latin-1. */
export interface Answer {
  /** The heads of the answers before the final one. */
  interim: string[];
  status: number;
  /** Status line and headers. */
  head: string;
  body: string;
  trailers: string[];
  /** It came to its end; else the connection was closed before. */
  complete: boolean;
}

/** A client's connection, on which bytes go out as they are written in the probe. */
export class Wire implements Disposable {
  readonly socket: Socket;
  closed = false;
  /** The other side ended it with a reset. */
  wasReset = false;
  readonly #host: string;
  #parts: Buffer[] = [];
  #wake = Promise.withResolvers<void>();
  readonly #closing = Promise.withResolvers<void>();
  /** Where the next answer begins. */
  #at = 0;

  constructor({ port, hostHeader }: Target) {
    this.#host = hostHeader;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: false });
    this.socket.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes);
      this.#wake.resolve();
    });
    this.socket.on('error', () => (this.wasReset = true));
    this.socket.once('close', () => {
      this.closed = true;
      this.#wake.resolve();
      this.#closing.resolve();
    });
  }

  /** Everything that came. */
  get text(): string {
    const all = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#parts = all === undefined ? [] : [all];
    return all?.toString('latin1') ?? '';
  }

  /** Sends bytes, Latin-1. */
  write(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Sends a request's head, with Host and the play's id after the request line. */
  ask(play: Staged, line = 'GET / HTTP/1.1', ...headers: readonly string[]): this {
    return this.write(this.headOf(play, line, ...headers));
  }

  headOf(play: Staged, line: string, ...headers: readonly string[]): string {
    return [line, `Host: ${this.#host}`, `X-Probe: ${play.id}`, ...headers, '', ''].join('\r\n');
  }

  /** Waits until something holds of what came; throws with what came instead. */
  async until<T>(
    what: string,
    find: (text: string) => T | undefined | false,
    limitMs = PATIENCE_MS,
  ): Promise<T> {
    const late = Date.now() + limitMs;
    for (;;) {
      const found = find(this.text);
      if (found !== undefined && found !== false) return found;
      const told = `${JSON.stringify(this.text.slice(-200))}, and the connection is ${this.closed ? 'closed' : 'open'}`;
      if (this.closed) throw new Error(`${what} did not come: ${told}`);
      if (Date.now() >= late) throw new Error(`${what} did not come within ${limitMs} ms: ${told}`);
      this.#wake = Promise.withResolvers();
      await Promise.race([this.#wake.promise, sleep(late - Date.now(), undefined, { ref: false })]);
    }
  }

  /** The next answer on this connection, whole or cut. */
  async answer(method = 'GET', limitMs = PATIENCE_MS): Promise<Answer> {
    const { answer, end } = await this.until(
      'an answer',
      (text) => parse(text, this.#at, method, this.closed),
      limitMs,
    );
    this.#at = end;
    return answer;
  }

  /** Waits until the other side has closed. */
  async end(limitMs = PATIENCE_MS): Promise<void> {
    await Promise.race([this.#closing.promise, sleep(limitMs, undefined, { ref: false })]);
    if (!this.closed) throw new Error(`the connection was still open after ${limitMs} ms`);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function parse(
  text: string,
  from: number,
  method: string,
  closed: boolean,
): { answer: Answer; end: number } | undefined {
  const interim: string[] = [];
  for (let at = from; ;) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end === -1) return undefined;
    const head = text.slice(at, end);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
    at = end + 4;
    if (status >= 100 && status < 200 && status !== 101) {
      interim.push(head);
      continue;
    }
    const { body, trailers, complete, end: stop } = bodyOf(text, at, head, status, method, closed);
    if (!complete && !closed) return undefined;
    return { answer: { interim, status, head, body, trailers, complete }, end: stop };
  }
}

function bodyOf(
  text: string,
  at: number,
  head: string,
  status: number,
  method: string,
  closed: boolean,
): Pick<Answer, 'body' | 'trailers' | 'complete'> & { end: number } {
  const [length] = valuesOf(head, 'content-length');
  if (method === 'HEAD' || status === 101 || status === 204 || status === 304) {
    return { body: '', trailers: [], complete: true, end: at };
  }
  if (/chunked/i.test(valuesOf(head, 'transfer-encoding').join())) return unchunk(text, at);
  const end = length === undefined ? text.length : at + Number(length);
  const complete = length === undefined ? closed : text.length >= end;
  return { body: text.slice(at, end), trailers: [], complete, end };
}

function unchunk(text: string, from: number) {
  const parts: string[] = [];
  const cut = () => ({ body: parts.join(''), trailers: [], complete: false, end: text.length });
  let at = from;
  for (;;) {
    const line = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, line), 16);
    if (line === -1 || Number.isNaN(size)) return cut();
    at = line + 2;
    if (size === 0) break;
    parts.push(text.slice(at, at + size));
    if (text.length < at + size + 2) return cut();
    at += size + 2;
  }
  const end = text.startsWith('\r\n', at) ? at : text.indexOf('\r\n\r\n', at);
  if (end === -1) return cut();
  const trailers = text
    .slice(at, end)
    .split('\r\n')
    .filter((line) => line !== '');
  return { body: parts.join(''), trailers, complete: true, end: end + (end === at ? 2 : 4) };
}
