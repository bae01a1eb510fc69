import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import httpProxy from 'http-proxy';
import { type ClientSide, isForwarding } from './headers.ts';
import type { Upstream } from './upstream.ts';

/** True for an opening handshake (RFC 6455, section 4.1): all else is an ordinary request. */
export function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/** A side whose other side has gone gets so long for its last words. */
const LAST_WORDS_MS = 2000;

/**
 * Carries WebSockets through http-proxy: bytes flow only after the application's own 101, and its
 * refusal is passed on as it is.
 */
export class Tunnel implements Disposable {
  readonly #proxy = httpProxy.createProxyServer({ ws: true });
  readonly #upstreams = new WeakMap<IncomingMessage, Upstream>();
  readonly #open = new Set<Socket>();

  constructor() {
    this.#proxy.on('proxyReqWs', (outgoing, request) => {
      outgoing.once('socket', (socket: Socket) => {
        this.#upstreams.get(request)?.hold(socket);
        this.#open.add(socket);
        socket.once('close', () => this.#open.delete(socket));
        endTogether(socket, request.socket);
        endTogether(request.socket, socket);
      });
    });
  }

  /** Ends every tunnel: nobody can tell when a WebSocket would end by itself. */
  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.destroy();
  }

  forward(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    upstream: Upstream,
    client: ClientSide,
    onFailure: (error: Error) => void,
  ): void {
    const { headers } = request;
    for (const name of Object.keys(headers)) if (isForwarding(name)) delete headers[name];
    headers['x-forwarded-for'] = client.address;
    headers['x-forwarded-host'] = client.host;
    headers['x-forwarded-proto'] = client.protocol;
    this.#upstreams.set(request, upstream);
    const { address } = upstream;
    if (!('port' in address)) throw new Error('a tunnel needs a port');
    const target = { host: address.host, port: address.port };
    this.#proxy.ws(request, socket, head, { target }, onFailure);
  }
}

/** http-proxy leaves an application's side open when the visitor's is gone, and the other way round. */
function endTogether(one: Socket, other: Socket): void {
  one.once('close', () => other.destroy());
  one.once('end', () => setTimeout(() => other.destroy(), LAST_WORDS_MS).unref());
}
