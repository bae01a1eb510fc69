import { PreviewError } from '../errors.ts';

/** The host's ports that pool may publish on, both ends included. */
export interface PortRange {
  first: number;
  last: number;
}

/** A port rests so long before another container may get it: no client still dials the old one. */
const REST_MS = 60_000;

/**
 * Hands out the host's ports, each to one container. The engine would choose others at every
 * start; ports chosen here survive it, and are not handed on within a minute. That minute is
 * forgotten when pool ends, and may be: the front ends with it, and with the front every route and
 * every connection to the old container. Where fronts run apart, it must be remembered.
 */
export class HostPorts {
  readonly #range: PortRange;
  readonly #restMs: number;
  readonly #taken = new Set<number>();
  readonly #restingUntil = new Map<number, number>();
  #next: number;

  /** `start` is where in the range to begin; a random one keeps two pools apart. */
  constructor(range: PortRange, start = Math.random(), restMs = REST_MS) {
    this.#range = range;
    this.#restMs = restMs;
    this.#next = startIn(range, start);
  }

  /** Notes ports that a container found again already has. */
  claim(ports: Iterable<number>): void {
    for (const port of ports) this.#taken.add(port);
  }

  /** Takes `count` free ports; throws `no-free-port` where the range has no more. */
  take(count: number, now: number): number[] {
    const ports: number[] = [];
    const size = this.#range.last - this.#range.first + 1;
    for (let tried = 0; ports.length < count && tried < size; tried++) {
      const port = this.#next;
      this.#next = port === this.#range.last ? this.#range.first : port + 1;
      if (this.#taken.has(port) || (this.#restingUntil.get(port) ?? 0) > now) continue;
      ports.push(port);
    }
    if (ports.length < count) throw noFreePort(this.#range);
    this.claim(ports);
    return ports;
  }

  /** Somebody else sits in this part of the range: go on somewhere else. */
  moveOn(start = Math.random()): void {
    this.#next = startIn(this.#range, start);
  }

  /** Gives ports back; they rest first. */
  release(ports: Iterable<number>, now: number): void {
    for (const port of ports) {
      this.#taken.delete(port);
      this.#restingUntil.set(port, now + this.#restMs);
    }
  }
}

function startIn({ first, last }: PortRange, start: number): number {
  return first + Math.floor(start * (last - first + 1));
}

function noFreePort({ first, last }: PortRange): PreviewError {
  return new PreviewError(
    'no-free-port',
    `All host ports from ${first} to ${last} are taken.`,
    'End previews that nobody needs ("docker ps --filter label=dev.pool.instance"); then visit it again.',
  );
}
