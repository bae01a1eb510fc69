import { Connection, type Owner, type Written } from './connection.ts';
import { isChunked } from './headers.ts';
import type { Head, Listener, Sending } from './sending.ts';
import type { UpstreamAddress } from './upstream.ts';

/** How long idle connections are kept, and how many of them. */
export interface IdleLimits {
  ms: number;
  number: number;
}

/**
 * The connections to one endpoint that speaks HTTP/1.1. One that an answer left clean is kept for
 * the next request; the newest is taken first.
 */
export class Connections implements Disposable, Owner {
  readonly #address: UpstreamAddress;
  readonly #limits: IdleLimits;
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(address: UpstreamAddress, limits: IdleLimits) {
    this.#address = address;
    this.#limits = limits;
  }

  /** Sends a request's head. Throws where that would not arrive as it is meant. */
  send(head: Head, listener: Listener): Sending {
    const written = write(head);
    let connection = this.#idle.pop();
    while (connection?.isGone) connection = this.#idle.pop();
    return (connection ?? this.#connect()).send(written, listener);
  }

  #connect(): Connection {
    const connection = new Connection(this.#address, this);
    this.#open.add(connection);
    return connection;
  }

  free(connection: Connection, keepMs: number): void {
    const ms = Math.min(keepMs, this.#limits.ms);
    if (ms <= 0 || this.#idle.length >= this.#limits.number) return connection.destroy();
    connection.idleUntil = performance.now() + ms;
    this.#idle.push(connection);
    this.#sweepIn(ms);
  }

  closed(connection: Connection): void {
    this.#open.delete(connection);
    const at = this.#idle.lastIndexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  /** One timer for all of them, set anew when it fires: thousands of endpoints are quiet at once. */
  #sweepIn(ms: number): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      const now = performance.now();
      let next = Infinity;
      for (const one of this.#idle) {
        if (one.idleUntil <= now) one.destroy();
        else next = Math.min(next, one.idleUntil);
      }
      if (next < Infinity) this.#sweepIn(next - now);
    }, ms).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#sweep);
    for (const connection of this.#open) connection.destroy();
  }
}

/** Throws where a part of the head would not stay what it is. */
function write({ method, path, headers, hasBody }: Head): Written {
  if (/[^\x21-\xff]/.test(path)) throw new Error('a target has no such character');
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (let at = 0; at < headers.length; at += 2) {
    const value = headers[at + 1] ?? '';
    if (/[\0\r\n]/.test(value)) throw new Error(`${headers[at]} has more than one line`);
    head += `${headers[at]}: ${value}\r\n`;
  }
  // Said for those who speak HTTP/1.0, and would close it else.
  head += 'Connection: keep-alive\r\n\r\n';
  const body = hasBody ? (isChunked(headers) ? 'chunked' : 'sized') : 'none';
  return { head, isHead: method === 'HEAD', body };
}
