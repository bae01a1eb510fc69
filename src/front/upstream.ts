import type { Socket } from 'node:net';
import { Connections } from './connections.ts';
import { H2cConnection } from './h2c.ts';
import { LIMITS } from './limits.ts';
import { Places } from './places.ts';
import { type Head, type Listener, type Sending } from './sending.ts';

/** Where an upstream listens: a published port, or the control plane's unix socket. */
export type UpstreamAddress = { host: string; port: number } | { socketPath: string };

/** What an upstream speaks; `h2c` is HTTP/2 without TLS, begun with prior knowledge. */
export type Protocol = 'http' | 'h2c';

/** Applications close idle connections after 5 s (Node's default) or later: be first. */
const IDLE_MS = 4000;
/** Kept for the next request: as many as browsers and scripts use side by side, for that while. */
const IDLE_LIMIT = 256;

/** The connections to one endpoint; all of them end when its route does. */
export class Upstream implements Disposable {
  readonly address: UpstreamAddress;
  readonly protocol: Protocol;
  readonly places: Places;
  readonly #connections: Connections;
  readonly #h2c: H2cConnection | undefined;
  readonly #tunnels = new Set<Socket>();
  #disposed = false;

  /** `limits.connections` is unlimited for the desk, whose pages hold a stream each. */
  constructor(address: UpstreamAddress, protocol: Protocol = 'http', limits = LIMITS) {
    this.address = address;
    this.protocol = protocol;
    this.places = new Places(limits);
    this.#connections = new Connections(address, { ms: IDLE_MS, number: IDLE_LIMIT });
    if (protocol === 'h2c' && 'port' in address) {
      this.#h2c = new H2cConnection(`http://${address.host}:${address.port}`, IDLE_MS);
    }
  }

  /** True once its route is gone: nothing may be dialled any more. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Sends a request's head, by the protocol that is spoken here. May throw where it cannot be. */
  send(head: Head, listener: Listener): Sending {
    return (this.#h2c ?? this.#connections).send(head, listener);
  }

  /** Ties an upgraded connection to this upstream's life. */
  hold(socket: Socket): void {
    if (this.#disposed) socket.destroy();
    this.#tunnels.add(socket);
    socket.once('close', () => this.#tunnels.delete(socket));
  }

  /** Destroys idle and busy connections alike: a route that changed must not finish old answers. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#connections[Symbol.dispose]();
    this.#h2c?.[Symbol.dispose]();
    for (const socket of this.#tunnels) socket.destroy();
  }
}
