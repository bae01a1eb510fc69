import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotApplicable } from './probe.ts';
import type { Counts, Play, Seen, SeenRequest, Step } from './hostile-application.ts';

/** How long anything may take that is no figure of a promise. */
export const PATIENCE_MS = 5000;

/** The side channel to the hostile application. */
export class Application {
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}`;
  }

  /** Tells it what to do to requests that carry the play's id. */
  async play(fresh: readonly Step[], reused?: readonly Step[]): Promise<Staged> {
    const id = randomUUID();
    const play: Play = reused === undefined ? { fresh } : { fresh, reused };
    await fetch(`${this.#url}/${id}`, { method: 'PUT', body: JSON.stringify(play) });
    return new Staged(id, `${this.#url}/${id}`);
  }
}

/** A play that the application knows. */
export class Staged {
  readonly id: string;
  readonly #url: string;

  constructor(id: string, url: string) {
    this.id = id;
    this.#url = url;
  }

  /** Opens the gate at which it waits. */
  async go(): Promise<void> {
    await fetch(this.#url, { method: 'POST' });
  }

  async seen(): Promise<Seen> {
    return (await (await fetch(this.#url)).json()) as Seen;
  }

  async counts(): Promise<Counts> {
    return (await (await fetch(`${this.#url}/counts`)).json()) as Counts;
  }

  /** What was seen once that holds; throws with what was seen instead. */
  async until(what: string, holds: (seen: Seen) => boolean, limitMs = PATIENCE_MS): Promise<Seen> {
    return await eventually(what, async () => await this.seen(), holds, limitMs);
  }

  /** Waits until all connections of its requests are closed. */
  async freed(limitMs = PATIENCE_MS): Promise<void> {
    const counts = async () => await this.counts();
    await eventually('its connections closed', counts, ({ open }) => open === 0, limitMs);
  }

  /** The one request, once it is here. */
  async request(): Promise<SeenRequest> {
    const { requests } = await this.until('the request', (seen) => seen.requests.length > 0);
    if (requests[0] === undefined || requests.length > 1) {
      throw new Error(`the application saw ${requests.length} requests instead of one`);
    }
    return requests[0];
  }
}

async function eventually<T>(
  what: string,
  look: () => Promise<T>,
  holds: (seen: T) => boolean,
  limitMs: number,
): Promise<T> {
  for (const begun = Date.now(); ; await sleep(10)) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() - begun < limitMs) continue;
    const told = JSON.stringify(seen).slice(0, 300);
    throw new Error(`the application did not see ${what} within ${limitMs} ms, but ${told}`);
  }
}

/** The values of a header, in order. */
export function valuesOf(head: string, name: string): string[] {
  return head
    .split('\r\n')
    .slice(1)
    .flatMap((line) => {
      const colon = line.indexOf(':');
      return line.slice(0, colon).toLowerCase() === name.toLowerCase()
        ? [line.slice(colon + 1).trim()]
        : [];
    });
}

/** A proxy that passes HTTP/1.0 on gets an answer here that no server gives to such a request. */
export async function speaksElevenTo(play: Staged): Promise<void> {
  const { head } = await play.request();
  if (head.split('\r\n')[0]?.endsWith('1.0')) throw new NotApplicable('it passes HTTP/1.0 on');
}
