import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { clientSide, type Trust } from './client-side.ts';
import { forward } from './forward.ts';
import { pairs } from './headers.ts';
import type { Limits } from './limits.ts';
import type { Place } from './places.ts';
import type { Tunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';

/** An answer of pool's own. */
export interface Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string | AsyncIterable<string>;
}

/** Who hears what becomes of an exchange that was handed to an upstream. */
export interface Forwarded {
  /** The answer begins, or the exchange is over. */
  onAnswer?: () => void;
  /** The upstream gives no answer. */
  onFailure: (error: Error) => void;
}

/** One request and whatever becomes of it, the same for ordinary requests and for upgrades. */
export interface Exchange {
  readonly request: IncomingMessage;
  /** Aborts when the visitor goes away, or has been answered. */
  readonly over: AbortSignal;
  answer(answer: Answer): void;
  /** Hands the exchange to an upstream; `own` are headers for its answer, name and value in turn. */
  forward(upstream: Upstream, own: readonly string[], forwarded: Forwarded): void;
}

/** Why a wait ends with its exchange; an error made for each would cost as much as a header. */
const OVER = 'the exchange is over';

/** What the front grants, and whom it believes. */
export interface ExchangeOptions {
  limits: Limits;
  trust: Trust;
}

/** An ordinary request. */
export class HttpExchange implements Exchange {
  readonly request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: ExchangeOptions;
  #over: AbortController | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions) {
    this.request = request;
    this.#response = response;
    this.#options = options;
  }

  /** Made for those who wait: most requests never do. */
  get over(): AbortSignal {
    if (this.#over !== undefined) return this.#over.signal;
    const over = new AbortController();
    this.#over = over;
    if (this.#response.closed) over.abort(OVER);
    else this.#response.once('close', () => over.abort(OVER));
    return over.signal;
  }

  answer(answer: Answer): void {
    send(this.request, this.#response, answer);
  }

  forward(upstream: Upstream, own: readonly string[], { onAnswer, onFailure }: Forwarded): void {
    const { limits, trust } = this.#options;
    if (onAnswer !== undefined) this.#response.once('close', onAnswer);
    const client = clientSide(this.request, trust);
    const options = { client, own, limits, onAnswer: onAnswer ?? ignore, onFailure };
    forward(this.request, this.#response, upstream, options, () => this.over);
  }
}

function ignore(): void {}

/** A WebSocket's opening handshake: until the application said 101 it is answered like any request. */
export function upgradeExchange(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  tunnel: Tunnel,
  { trust }: ExchangeOptions,
): Exchange {
  const controller = new AbortController();
  socket.once('close', () => controller.abort(OVER));
  socket.on('error', () => socket.destroy());
  const unwatch = watchForEnd(socket);
  return {
    request,
    over: controller.signal,
    answer(answer) {
      if (socket.destroyed) return;
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(socket);
      response.once('finish', () => socket.destroySoon());
      send(request, response, answer);
    },
    forward(upstream, own, { onAnswer = ignore, onFailure }) {
      socket.once('close', onAnswer);
      const onOpen = () => {
        unwatch();
        onAnswer();
      };
      const enter = (place: Place) => {
        if (socket.destroyed) return upstream.places.free(place);
        socket.once('close', () => upstream.places.free(place));
        const told = { client: clientSide(request, trust), own: Object.fromEntries(pairs(own)) };
        tunnel.forward({ request, socket, head, onOpen, ...told }, upstream, onFailure);
      };
      upstream.places.take(false, controller.signal).then(enter).catch(onFailure);
    },
  };
}

/**
 * A socket that nobody reads does not tell that its other side has gone: it is looked at, and what
 * it brings is left in it. Returns what ends the watch.
 */
function watchForEnd(socket: Socket): () => void {
  const look = () => {
    if (socket.readableLength === 0) socket.read();
  };
  const gone = () => socket.destroy();
  socket.on('readable', look).once('end', gone);
  return () => socket.off('readable', look).off('end', gone);
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  // What was not read of a body is not read for the sake of a refusal either.
  if (!request.complete) response.shouldKeepAlive = false;
  const { status, headers, body } = answer;
  if (typeof body === 'string') {
    const bytes = Buffer.from(body);
    response.writeHead(status, { ...headers, 'content-length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
    return;
  }
  response.writeHead(status, headers);
  if (request.method === 'HEAD') response.end();
  else
    Readable.from(body)
      .on('error', () => response.destroy())
      .pipe(response);
}
