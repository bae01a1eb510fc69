import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http';
import type { Socket } from 'node:net';

/** Where an upstream listens: a published port, or the control plane's unix socket. */
export type UpstreamAddress = { host: string; port: number } | { socketPath: string };

/** More connections than this at once only make a small application slower. */
const SOCKET_LIMIT = 256;
/** Applications close idle connections after 5 s (Node's default) or later: be first. */
const IDLE_MS = 4000;

/** The connections to one endpoint; all of them end when its route does. */
export class Upstream implements Disposable {
  readonly address: UpstreamAddress;
  readonly #agent: Agent;
  readonly #tunnels = new Set<Socket>();

  constructor(address: UpstreamAddress) {
    this.address = address;
    const limits = { maxSockets: SOCKET_LIMIT, maxFreeSockets: 32, timeout: IDLE_MS };
    this.#agent = new Agent({ keepAlive: true, ...limits });
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
    this.#agent.destroy();
    for (const socket of this.#tunnels) socket.destroy();
  }
}
