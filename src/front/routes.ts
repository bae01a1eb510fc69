import PQueue from 'p-queue';
import type { Address } from '../address/host.ts';
import type { Route } from '../preview/control.ts';
import type { PreviewId } from '../preview/preview.ts';
import type { RouteTable } from '../preview/previews.ts';
import { type Limits, LIMITS } from './limits.ts';
import { Upstream } from './upstream.ts';

/** Spellings of addresses, and generations, to remember; the oldest go first. */
const MEMORY_LIMIT = 10_000;

/**
 * So many of those who were held are let through at once, each until its answer begins: a server
 * that just started has a short line for connections (nine places in busybox), and whoever finds it
 * full is tried again seconds later.
 */
const RELEASED_AT_ONCE = 32;

/** A route with its open connections. */
export interface LiveRoute {
  route: Route;
  /** By the container's port. */
  upstreams: ReadonlyMap<number, Upstream>;
  /** Where those stand who waited for it. */
  line: PQueue;
}

/**
 * Address to endpoint, without asking anyone. An address is remembered for as long as it surely
 * means its commit; a route lives until the control plane withdraws or replaces it.
 */
export class Routes implements RouteTable {
  readonly #limits: Limits;
  readonly #live = new Map<PreviewId, LiveRoute>();
  /** The generation last published; a route that was withdrawn must not come back by a late word. */
  readonly #newest = new Map<PreviewId, number>();
  readonly #addresses = new Map<string, { preview: PreviewId; until: number }>();

  /** `limits` are those of each endpoint's connections. */
  constructor(limits = LIMITS) {
    this.#limits = limits;
  }

  publish(route: Route): void {
    if ((this.#newest.get(route.preview) ?? 0) >= route.generation) return;
    this.withdraw(route.preview);
    renew(this.#newest, route.preview, route.generation);
    const { host, published, port: main, protocol } = route.endpoint;
    const upstreams = Object.entries(published).map(([name, port]) => {
      // What the other ports speak nobody has asked.
      const spoken = Number(name) === main ? protocol : 'http';
      return [Number(name), new Upstream({ host, port }, spoken, this.#limits)] as const;
    });
    this.#live.set(route.preview, {
      route,
      upstreams: new Map(upstreams),
      line: new PQueue({ concurrency: RELEASED_AT_ONCE }),
    });
  }

  withdraw(preview: PreviewId): void {
    const old = this.#live.get(preview);
    this.#live.delete(preview);
    for (const upstream of old?.upstreams.values() ?? []) upstream[Symbol.dispose]();
  }

  /** Notes what an address means, until a moment in ms of the epoch. */
  remember(address: Address, preview: PreviewId, until: number): void {
    renew(this.#addresses, address.label, { preview, until });
  }

  /** The live route of an address, where both are known. */
  find(address: Address, now: number): LiveRoute | undefined {
    const known = this.#addresses.get(address.label);
    return known === undefined || known.until < now ? undefined : this.#live.get(known.preview);
  }

  /** The live route of a preview. */
  of(preview: PreviewId): LiveRoute | undefined {
    return this.#live.get(preview);
  }
}

/** Sets what is then the newest of a memory, and forgets the oldest where it is full. */
function renew<Key, Value>(memory: Map<Key, Value>, key: Key, value: Value): void {
  memory.delete(key);
  memory.set(key, value);
  const [oldest] = memory.keys();
  if (memory.size > MEMORY_LIMIT && oldest !== undefined) memory.delete(oldest);
}
