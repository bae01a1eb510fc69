import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import httpProxy from 'http-proxy';
import { type ClientSide, endToEnd, isForwarding, originForm, pairs } from './headers.ts';
import { Refusal } from './refusal.ts';
import type { Upstream } from './upstream.ts';

/** True for an opening handshake (RFC 6455, section 4.1): all else is an ordinary request. */
export function isWebSocket({ method, headers, httpVersion }: IncomingMessage): boolean {
  const asks = headers.upgrade?.toLowerCase() === 'websocket';
  return asks && method === 'GET' && httpVersion === '1.1';
}

/** A side whose other side has gone gets so long for its last words. */
const LAST_WORDS_MS = 2000;

/** A WebSocket's opening, as Node hands it over. */
export interface Handshake {
  request: IncomingMessage;
  socket: Socket;
  head: Buffer;
  client: ClientSide;
  /** Headers of pool's own for the answer. */
  own: Readonly<Record<string, string>>;
  /** Called when the application said 101, before any byte flows. */
  onOpen: () => void;
}

/**
 * Carries WebSockets through http-proxy: bytes flow only after the application's own 101, and its
 * refusal is passed on as it is.
 */
export class Tunnel implements Disposable {
  readonly #proxy = httpProxy.createProxyServer({ ws: true });
  readonly #handshakes = new WeakMap<
    IncomingMessage,
    { upstream: Upstream } & Pick<Handshake, 'own' | 'onOpen'>
  >();
  readonly #open = new Set<Socket>();

  constructor() {
    this.#proxy.on('proxyReqWs', (outgoing, request) => {
      const handshake = this.#handshakes.get(request);
      outgoing.once('socket', (socket: Socket) => {
        handshake?.upstream.hold(socket);
        this.#open.add(socket);
        socket.once('close', () => this.#open.delete(socket));
        endTogether(socket, request.socket);
        endTogether(request.socket, socket);
      });
      // http-proxy joins slashes; the application gets the target as it was written.
      outgoing.path = originForm(request.url ?? '/');
      // http-proxy writes heads as text, and they are bytes.
      request.socket.setDefaultEncoding('latin1');
      outgoing.once('upgrade', (answer: IncomingMessage) => {
        keepEndToEnd(answer, { connection: 'Upgrade', upgrade: 'websocket' });
        Object.assign(answer.headers, handshake?.own);
        handshake?.onOpen();
      });
      outgoing.once('response', (answer: IncomingMessage) => {
        // Its body comes out of Node's hands without its chunks, and ends with the connection.
        keepEndToEnd(answer, { connection: 'close' });
        Object.assign(answer.headers, handshake?.own);
      });
    });
  }

  /** Ends every tunnel: nobody can tell when a WebSocket would end by itself. */
  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** Passes a handshake on; `onFailure` is called where the upstream gives no answer to it. */
  forward(
    { request, socket, head, client, own, onOpen }: Handshake,
    upstream: Upstream,
    onFailure: (error: Error) => void,
  ): void {
    const { address } = upstream;
    if (upstream.disposed) return onFailure(new Error('the route went a moment ago'));
    if (!('port' in address)) return onFailure(new Error('no WebSocket is spoken there'));
    if (upstream.protocol !== 'http') return onFailure(noWebSocket());
    const { headers } = request;
    for (const name of Object.keys(headers)) if (isForwarding(name)) delete headers[name];
    keepEndToEnd(request, { connection: 'Upgrade', upgrade: 'websocket' });
    for (const [name, value] of pairs(client)) headers[name.toLowerCase()] = value;
    let opened = false;
    const open = () => {
      opened = true;
      onOpen();
    };
    this.#handshakes.set(request, { upstream, own, onOpen: open });
    const target = { host: address.host, port: address.port };
    this.#proxy.ws(request, socket, head, { target }, (error) => {
      // After the 101 there is nobody who would take words for an answer.
      if (opened) socket.destroy();
      else onFailure(error);
    });
  }
}

/** Leaves what belongs to one connection out of a message's headers, and sets those of the next. */
function keepEndToEnd({ headers, rawHeaders }: IncomingMessage, own: Record<string, string>): void {
  const kept = new Set(pairs(endToEnd(rawHeaders)).map(([name]) => name.toLowerCase()));
  for (const name of Object.keys(headers)) if (!kept.has(name)) delete headers[name];
  Object.assign(headers, own);
}

/** http-proxy leaves an application's side open when the visitor's is gone, and the other way round. */
function endTogether(one: Socket, other: Socket): void {
  one.once('close', () => other.destroy());
  one.once('end', () => setTimeout(() => other.destroy(), LAST_WORDS_MS).unref());
}

function noWebSocket(): Refusal {
  return new Refusal(
    501,
    'No WebSocket',
    'The application at this commit speaks HTTP/2 without TLS, and pool carries no WebSocket over that.',
    'Let it speak HTTP/1.1 too, on the same port.',
  );
}
