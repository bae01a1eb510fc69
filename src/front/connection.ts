import { connect, type Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';
import { RequestBody } from './request-body.ts';
import type { Listener, Sending } from './sending.ts';
import type { UpstreamAddress } from './upstream.ts';

/** Read into by all connections: what comes is small, and copied before the next read. */
const BUFFER = Buffer.allocUnsafeSlow(65_536);
/** From so many bytes on a connection reads into a buffer of its own, which need not be copied. */
const BIG_BYTES = 16_384;
/** Fewer reads and writes for each megabyte, and still small beside what the kernel keeps. */
const OWN_BYTES = 131_072;

/** A request as it stands on its connection. */
export interface Written {
  head: string;
  /** A HEAD's answer has no body. */
  isHead: boolean;
  body: 'none' | 'sized' | 'chunked';
}

/** Where a connection goes when it is free, or gone. */
export interface Owner {
  /** It may serve the next request within so many ms; not at all where that is 0. */
  free(connection: Connection, keepMs: number): void;
  closed(connection: Connection): void;
}

/** One connection to an application, with at most one request under way on it. */
export class Connection {
  readonly #socket: Socket;
  readonly #owner: Owner;
  #asked: Asked | undefined;
  #failure: Error | undefined;
  #served = 0;
  /** What the next bytes are read into. */
  #buffer = BUFFER;
  /** Until when it is kept, on the clock of `performance`. */
  idleUntil = 0;

  constructor(address: UpstreamAddress, owner: Owner) {
    this.#owner = owner;
    this.#socket = connect({
      ...('port' in address ? address : { path: address.socketPath }),
      noDelay: true,
      onread: {
        buffer: () => this.#buffer,
        callback: (length, buffer) => this.#read(buffer as Buffer, length),
      },
    });
    // Whoever waits for an answer has a connection of his own that keeps pool alive.
    this.#socket.unref();
    this.#socket.once('error', (error) => (this.#failure = error));
    this.#socket.once('end', () => this.#ended());
    this.#socket.once('close', () => this.#closed());
  }

  /** It will serve nobody any more. */
  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  /** Sends a request, and lets `listener` hear what comes of it. */
  send({ head, isHead, body }: Written, listener: Listener): Sending {
    const socket = this.#socket;
    const reused = this.#served > 0;
    this.#served += 1;
    const reader = new AnswerReader(listener, isHead);
    if (body === 'none') {
      this.#asked = new Asked(this, reader, listener, reused);
    } else {
      const stream = new RequestBody(socket, body === 'chunked');
      stream.once('finish', () => this.#settle());
      // What of the body is here goes out with the head.
      socket.cork();
      process.nextTick(() => socket.uncork());
      this.#asked = new Asked(this, reader, listener, reused, stream);
    }
    socket.write(head, 'latin1');
    return this.#asked;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(buffer: Buffer, length: number): boolean {
    if (buffer === BUFFER && length >= BIG_BYTES) {
      this.#buffer = Buffer.allocUnsafeSlow(OWN_BYTES);
      buffer.copy(this.#buffer, 0, 0, length);
    }
    const bytes = (buffer === BUFFER ? this.#buffer : buffer).subarray(0, length);
    this.#attempt((reader) => {
      // Bytes that are still to be written stay where they are.
      if (reader.push(bytes)) this.#buffer = Buffer.allocUnsafeSlow(OWN_BYTES);
    });
    return true;
  }

  #ended(): void {
    this.#attempt((reader) => reader.end());
  }

  #attempt(read: (reader: AnswerReader) => void): void {
    const asked = this.#asked;
    // Nobody asked: what is sent now would be read as the answer to whatever comes next.
    if (asked === undefined || asked.reader.done) return this.destroy();
    try {
      read(asked.reader);
    } catch (error) {
      this.#failure ??= error as Error;
      return this.destroy();
    }
    if (asked.reader.done) this.#settle();
  }

  /** Free once the answer is here and the request is out: one may be whole long before the other. */
  #settle(): void {
    const asked = this.#asked;
    if (asked === undefined || !asked.reader.done || this.isGone) return;
    if (asked.body?.writableFinished === false) return;
    this.#asked = undefined;
    this.#buffer = BUFFER;
    asked.over();
    this.#owner.free(this, this.#socket.writableLength === 0 ? asked.reader.keepMs : 0);
  }

  #closed(): void {
    this.#owner.closed(this);
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.fail(this.#failure ?? new Error('it closed the connection'));
  }
}

/** One request on a connection, until its answer is whole or lost. */
class Asked implements Sending {
  readonly body: RequestBody | undefined;
  readonly reused: boolean;
  readonly reader: AnswerReader;
  readonly #listener: Listener;
  #connection: Connection | undefined;
  #paused = false;

  constructor(
    connection: Connection,
    reader: AnswerReader,
    listener: Listener,
    reused: boolean,
    body?: RequestBody,
  ) {
    this.#connection = connection;
    this.reader = reader;
    this.#listener = listener;
    this.reused = reused;
    this.body = body;
  }

  end(trailers: readonly [name: string, value: string][]): void {
    this.body?.finish(trailers);
  }

  pause(): void {
    this.#paused = true;
    this.#connection?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#connection?.resume();
  }

  destroy(): void {
    this.#connection?.destroy();
  }

  /** From now on the connection is somebody else's. */
  over(): void {
    if (this.#paused) this.resume();
    this.#connection = undefined;
    this.#listener.onClose();
  }

  fail(error: Error): void {
    this.#connection = undefined;
    this.#listener.onFailure(error);
    this.#listener.onClose();
  }
}
