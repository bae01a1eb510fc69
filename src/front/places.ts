import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.ts';
import type { Limits } from './limits.ts';

/** One connection's worth of an endpoint; `slow` while it serves a body that still arrives. */
export interface Place {
  slow: boolean;
}

interface Waiting {
  slow: boolean;
  admit(): void;
}

/**
 * How many requests an endpoint serves at once, and the line before it. At most half of the places
 * go to bodies that still arrive, so that slow ones never keep the others out.
 */
export class Places {
  readonly #limits: Pick<Limits, 'connections' | 'waiting' | 'waitingMs'>;
  readonly #line = new Set<Waiting>();
  #taken = 0;
  #slow = 0;

  constructor(limits: Pick<Limits, 'connections' | 'waiting' | 'waitingMs'>) {
    this.#limits = limits;
  }

  /** A place for a request without a body, where there is one at once. */
  takeNow(): Place | undefined {
    if (!this.#hasRoom(false)) return undefined;
    this.#count(false);
    return { slow: false };
  }

  /** Resolves to a place; throws a `Refusal` where too many wait for one, or it took too long. */
  async take(slow: boolean, over: AbortSignal): Promise<Place> {
    if (this.#hasRoom(slow)) this.#count(slow);
    else await this.#stand(slow, over);
    return { slow };
  }

  /** The body is here whole: from now on the place is as good as any other. */
  arrived(place: Place): void {
    if (!place.slow) return;
    place.slow = false;
    this.#slow -= 1;
    this.#admit();
  }

  /** Gives a place back, once. */
  free(place: Place): void {
    this.#taken -= 1;
    this.arrived(place);
    this.#admit();
  }

  #hasRoom(slow: boolean): boolean {
    const { connections } = this.#limits;
    return this.#taken < connections && (!slow || this.#slow < connections / 2);
  }

  #count(slow: boolean): void {
    this.#taken += 1;
    if (slow) this.#slow += 1;
  }

  /** Waits in the line; whoever is admitted is counted already. */
  async #stand(slow: boolean, over: AbortSignal): Promise<void> {
    const { waiting, waitingMs, connections } = this.#limits;
    over.throwIfAborted();
    if (this.#line.size >= waiting) throw crowded(connections);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const one = { slow, admit: () => resolve(true) };
    const leave = () => {
      this.#line.delete(one);
      resolve(false);
    };
    const timer = setTimeout(leave, waitingMs);
    over.addEventListener('abort', leave, { once: true });
    this.#line.add(one);
    try {
      if (!(await promise)) throw crowded(connections);
    } finally {
      clearTimeout(timer);
      over.removeEventListener('abort', leave);
    }
  }

  #admit(): void {
    for (const one of this.#line) {
      if (this.#taken >= this.#limits.connections) return;
      if (!this.#hasRoom(one.slow)) continue;
      this.#line.delete(one);
      this.#count(one.slow);
      one.admit();
    }
  }
}

/**
 * Whether a request's body still arrives. Waits for its first bytes, at most `firstBytesMs`: until
 * then the request needs no connection. One that expects a 100 sends none before it has it.
 */
export async function stillArrives(
  request: IncomingMessage,
  firstBytesMs: number,
  over: AbortSignal,
): Promise<boolean> {
  if (!hasBody(request)) return false;
  if (request.headers.expect !== undefined) return true;
  // What came with the head has been read in a moment.
  await Promise.resolve();
  if (!request.complete && request.readableLength === 0) {
    const signal = AbortSignal.any([over, AbortSignal.timeout(firstBytesMs)]);
    await once(request, 'readable', { signal }).catch(() => {});
  }
  return !request.complete;
}

/** Whether a request says that it has a body (RFC 9112, section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function crowded(connections: number): Refusal {
  return new Refusal(
    503,
    'Too busy',
    `All ${connections} connections to the application are in use, and many wait for one.`,
    'This goes on by itself as soon as one is free.',
    5,
  );
}
