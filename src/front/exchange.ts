import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { clientSide, type Trust } from './client-side.ts';
import { forward } from './forward.ts';
import type { Limits } from './limits.ts';
import type { Tunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';

/** An answer of pool's own. */
export interface Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string | AsyncIterable<string>;
}

/** One request and whatever becomes of it, the same for ordinary requests and for upgrades. */
export interface Exchange {
  readonly request: IncomingMessage;
  /** Aborts when the visitor goes away, or has been answered. */
  readonly over: AbortSignal;
  answer(answer: Answer): void;
  /**
   * Hands the exchange to an upstream; `onFailure` is called where that gives no answer. Resolves
   * when the answer begins, and at the latest when the exchange is over.
   */
  forward(
    upstream: Upstream,
    own: Readonly<Record<string, string>>,
    onFailure: (error: Error) => void,
  ): Promise<void>;
}

/** Why a wait ends with its exchange; an error made for each would cost as much as a header. */
const OVER = 'the exchange is over';

/** What the front grants, and whom it believes. */
export interface ExchangeOptions {
  limits: Limits;
  trust: Trust;
}

/** An ordinary request. */
export function httpExchange(
  request: IncomingMessage,
  response: ServerResponse,
  { limits, trust }: ExchangeOptions,
): Exchange {
  const controller = new AbortController();
  response.once('close', () => controller.abort(OVER));
  return {
    request,
    over: controller.signal,
    answer: (answer) => send(request, response, answer),
    async forward(upstream, own, onFailure) {
      const { promise, resolve: onAnswer } = Promise.withResolvers<void>();
      response.once('close', onAnswer);
      await forward(request, response, upstream, {
        client: clientSide(request, trust),
        own: Object.entries(own).flat(),
        limits,
        over: controller.signal,
        onAnswer,
        onFailure,
      });
      await promise;
    },
  };
}

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
    async forward(upstream, own, onFailure) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const { places } = upstream;
      try {
        const place = await places.take(false, controller.signal);
        if (socket.destroyed) return places.free(place);
        socket.once('close', () => places.free(place)).once('close', resolve);
      } catch (error) {
        return onFailure(error as Error);
      }
      const onOpen = () => {
        unwatch();
        resolve();
      };
      const client = clientSide(request, trust);
      tunnel.forward({ request, socket, head, client, own, onOpen }, upstream, onFailure);
      await promise;
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
