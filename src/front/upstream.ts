import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http';
import type { Socket } from 'node:net';

/** Where an upstream listens: a published port, or the control plane's unix socket. */
export type UpstreamAddress = { host: string; port: number } | { socketPath: string };

/** Streams of events hold a connection each; beyond this many, requests wait for one. */
const SOCKET_LIMIT = 1024;
/** Applications close idle connections after 5 s (Node's default) or later: be first. */
const IDLE_MS = 4000;

/** The connections to one endpoint; all of them end when its route does. */
export class Upstream implements Disposable {
  readonly address: UpstreamAddress;
  readonly #agent: Agent;
  readonly #tunnels = new Set<Socket>();
  #disposed = false;

  /** `maxSockets` is unlimited for the desk, whose pages hold a stream each. */
  constructor(address: UpstreamAddress, maxSockets = SOCKET_LIMIT) {
    this.address = address;
    const limits = { maxSockets, maxFreeSockets: 32, timeout: IDLE_MS };
    this.#agent = new Agent({ keepAlive: true, ...limits });
  }

  /** True once its route is gone: nothing may be dialled any more. */
  get disposed(): boolean {
    return this.#disposed;
  }

  request(options: RequestOptions): ClientRequest {
    return request({ ...options, ...this.address, agent: this.#agent, setHost: false });
  }

  /** Ties an upgraded connection to this upstream's life. */
  hold(socket: Socket): void {
    this.#tunnels.add(socket);
    socket.once('close', () => this.#tunnels.delete(socket));
  }

  /** Destroys idle and busy connections alike: a route that changed must not finish old answers. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    // Each connection that ends would be followed by a new one for the next in the agent's line.
    const line = this.#agent.requests as Record<string, ClientRequest[]>;
    const waiting = Object.values(line).flat();
    for (const name of Object.keys(line)) delete line[name];
    this.#agent.destroy();
    // A request without a socket is not told of its end by Node.
    for (const one of waiting) one.destroy().emit('error', new Error('the route went'));
    for (const socket of this.#tunnels) socket.destroy();
  }
}
