import type { Port } from '../address/label.ts';

/** Where a preview answers. */
export interface Endpoint {
  /** The address that its ports are published on, and dialled at. */
  host: string;
  /** What `port` speaks: HTTP/1.1, or HTTP/2 without TLS and with prior knowledge. */
  protocol: 'http' | 'h2c';
  /** The container's port that answers where an address names none. */
  port: Port;
  /** Every published port of the container, with the host's port that leads to it. */
  published: Readonly<Record<number, number>>;
  containerId: string;
  /** The rule that chose `port`, in words. */
  portRule: string;
  /** Nothing named a port: whichever answers first is the one. */
  guessed?: boolean;
}
