import { type Socket } from 'node:net';
import { Writable } from 'node:stream';

/** A request's body on its way to an application, in chunks where the head says so. */
export class RequestBody extends Writable {
  readonly #socket: Socket;
  readonly #chunked: boolean;
  #trailers = '';

  constructor(socket: Socket, chunked: boolean) {
    // The socket's own buffer is enough.
    super({ highWaterMark: 1, decodeStrings: true });
    this.#socket = socket;
    this.#chunked = chunked;
    // A connection that broke tells so itself.
    this.on('error', () => {});
  }

  /** Ends the body; only chunks have a place for trailers. */
  finish(trailers: readonly [name: string, value: string][]): void {
    this.#trailers = trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    this.end();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (!this.#chunked) return void this.#socket.write(bytes, done);
    if (bytes.length === 0) return done();
    this.#socket.cork();
    this.#socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
    this.#socket.write(bytes);
    this.#socket.write('\r\n', 'latin1', done);
    this.#socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#chunked) return done();
    this.#socket.write(`0\r\n${this.#trailers}\r\n`, 'latin1', done);
  }
}
