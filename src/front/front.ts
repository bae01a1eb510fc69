import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, Destinations } from '../address/host.ts';
import { toFailure } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Control, Visit } from '../preview/control.ts';
import type { PreviewId } from '../preview/preview.ts';
import type { PreviewState } from '../preview/state.ts';
import { problemAnswer, textAnswer } from './answers.ts';
import { type Client, clientOf } from './client.ts';
import { trustOf } from './client-side.ts';
import { decide } from './decide.ts';
import { doubtOf } from './doubt.ts';
import { type Exchange, HttpExchange, upgradeExchange } from './exchange.ts';
import { originForm, valuesOf } from './headers.ts';
import { type Limits, LIMITS } from './limits.ts';
import {
  deskAway,
  lostAnswer,
  noSuchPort,
  previewAnswer,
  restarting,
  silentAnswer,
  tooMany,
} from './own-answers.ts';
import { Pipelines } from './pipelines.ts';
import { POOL_PATH, poolAnswer } from './pool-paths.ts';
import type { LiveRoute, Routes } from './routes.ts';
import { isWebSocket, Tunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';

/** What the front needs to serve previews. */
export interface FrontOptions {
  domains: readonly string[];
  routes: Routes;
  control: Control;
  /** The bare domain is one more endpoint. */
  desk: Upstream;
  /** How long a client that is no browser may be held. */
  holdMs: number;
  /** Whether search engines are told to stay away from previews. */
  noindex: boolean;
  /** Addresses and networks of proxies whose X-Forwarded-* and Forwarded are believed; nobody's else. */
  trustedProxies?: readonly string[];
  limits?: Partial<Limits>;
  logger: Logger;
  /** Aborts when pool ends: streams of events end with it. */
  closing: AbortSignal;
}

/** How exact limits of time are: Node looks only so often. */
const CHECK_EVERY_MS = 2500;

/** An answer that takes longer to begin, such as a long poll, makes room for the next. */
const RELEASE_MS = 1000;

/** A preview that goes cold again and again is asked for at this pace. */
const ANEW_MS = 100;

/** The server that visitors meet. Not listening yet. */
export function createFront(options: FrontOptions): Server {
  const tunnel = new Tunnel();
  options.closing.addEventListener('abort', () => tunnel[Symbol.dispose](), { once: true });
  const limits = { ...LIMITS, ...options.limits };
  const granted = { limits, trust: trustOf(options.trustedProxies ?? []) };
  const front = new Front(options, limits);
  const server = createServer({
    // The Host table is pool's own; so is the answer to what breaks it.
    requireHostHeader: false,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: CHECK_EVERY_MS,
    // A body may take as long as it likes, while it moves.
    requestTimeout: 0,
    keepAliveTimeout: limits.idleMs,
    shouldUpgradeCallback: isWebSocket,
  });
  // `maxHeaderSize` limits them; what Node counts beyond a thousand it would leave out silently.
  server.maxHeadersCount = 0;
  const pipelines = new Pipelines();
  const handle = (exchange: Exchange) => front.handle(exchange);
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    pipelines.follow(response, () => handle(new HttpExchange(request, response, granted)));
  };
  // An application that refuses a body does so before it was sent.
  server.on('request', onRequest).on('checkContinue', onRequest);
  // Node answers 417 to what it does not know; the application may know it.
  server.on('checkExpectation', onRequest);
  server.on('upgrade', (request, socket, head) => {
    // Node has let go of the connection, which owes an answer: two would be mixed in it.
    if (pipelines.isBusy(socket as Socket)) socket.destroy();
    else handle(upgradeExchange(request, socket as Socket, head, tunnel, granted));
  });
  server.on('connect', (_request, socket) => pipelines.refuseConnect(socket as Socket));
  server.on('clientError', (error, socket) => pipelines.refuse(error, socket as Socket));
  return server;
}

class Front {
  readonly #options: FrontOptions;
  readonly #limits: Limits;
  readonly #destinations: Destinations;
  #held = 0;
  #asking = 0;

  constructor(options: FrontOptions, limits: Limits) {
    this.#options = options;
    this.#limits = limits;
    this.#destinations = new Destinations(options.domains);
  }

  /** One request, from its Host header to an answer. Never throws. */
  handle(exchange: Exchange): void {
    try {
      // Nobody who is served by a route waits for anything here.
      this.#dispatch(exchange)?.catch((error: unknown) => this.#lost(exchange, error));
    } catch (error) {
      this.#lost(exchange, error);
    }
  }

  #lost(exchange: Exchange, error: unknown): void {
    this.#options.logger('internal', { error });
    exchange.answer(problemAnswer(500, 'Internal error', toFailure(error).message));
  }

  #dispatch(exchange: Exchange): Promise<void> | undefined {
    const { request } = exchange;
    const { routes } = this.#options;
    const destination = this.#destinations.of(headOf(request));
    const refusal = doubtOf(destination, request);
    if (refusal !== undefined) {
      exchange.answer(textAnswer(refusal.status, `pool: ${refusal.reason}\n`));
    } else if (destination.kind === 'desk') {
      this.#toDesk(exchange, destination.site);
    } else if (destination.kind === 'preview') {
      const { address } = destination;
      const live = routes.find(address, Date.now());
      if (live === undefined || isPoolPath(request)) return this.#ask(exchange, address);
      this.#forward(exchange, address, live);
    }
    return undefined;
  }

  #toDesk(exchange: Exchange, site: string): void {
    const onFailure = (error: Error) => exchange.answer(deskAway(site, error));
    exchange.forward(this.#options.desk, [], { onFailure });
  }

  /** No route is known: the control plane says what the address means, and starts it. */
  async #ask(exchange: Exchange, address: Address): Promise<void> {
    const { request } = exchange;
    const { control, routes, closing } = this.#options;
    const client = clientOfExchange(exchange);
    if (closing.aborted) return exchange.answer(restarting(address.site, client));
    const own = isPoolPath(request);
    // Where a remote hangs, each waits for what its refs mean: those are held as well.
    const { held } = this.#limits;
    if (this.#asking >= held) return exchange.answer(tooMany(held));
    this.#asking += 1;
    const asked = control.visit(address, client.kind !== 'robot' && !own);
    const visit = await asked.finally(() => (this.#asking -= 1));
    if (visit.kind !== 'preview') return exchange.answer(lostAnswer(visit, address, client));
    routes.remember(address, visit.view.id, visit.until ?? Infinity);
    if (own) {
      return exchange.answer(
        await poolAnswer(poolRequest(exchange, client, closing), visit, address, control),
      );
    }
    await this.#serve(exchange, address, client, visit);
  }

  /** The decision table, run until it comes to an answer. */
  async #serve(
    exchange: Exchange,
    address: Address,
    client: Client,
    found: Extract<Visit, { kind: 'preview' }>,
  ): Promise<void> {
    const { control, routes, holdMs, closing } = this.#options;
    const begun = Date.now();
    let visit = found;
    let held = false;
    while (!exchange.over.aborted) {
      const { id, state } = visit.view;
      const live = routes.of(id);
      // A route that went a moment ago is as good as one that is to come.
      const phase = state.phase === 'ready' && live === undefined ? 'starting' : state.phase;
      const decision = decide(phase, client, Date.now() - begun, holdMs);
      if (decision.do === 'forward' && live !== undefined) {
        if (!held) return this.#forward(exchange, address, live);
        return await this.#release(exchange, address, id);
      }
      if (closing.aborted && decision.do !== 'forward') {
        return exchange.answer(restarting(address.site, client));
      }
      if (decision.do === 'hold') {
        if (this.#held >= this.#limits.held) return exchange.answer(tooMany(this.#limits.held));
        held = true;
        const settled = await this.#hold(exchange, id, decision.ms);
        visit = { ...visit, view: { ...visit.view, state: settled } };
        if (settled.phase !== 'cold' && (settled.phase !== 'ready' || routes.of(id))) continue;
        // It went while somebody waited, with its engine or its container: begin anew.
        await sleep(ANEW_MS);
        const anew = await control.visit(address, true);
        if (anew.kind !== 'preview') return exchange.answer(lostAnswer(anew, address, client));
        visit = anew;
      } else if (decision.do !== 'forward') {
        const log = decision.do.endsWith('page') ? await control.log(id) : '';
        return exchange.answer(previewAnswer(decision, { ...visit, site: address.site, log }));
      }
    }
  }

  /** Lets those who were held through a few at a time, each until its answer begins. */
  async #release(exchange: Exchange, address: Address, preview: PreviewId): Promise<void> {
    const line = this.#options.routes.of(preview)?.line;
    await line?.add(async () => {
      if (exchange.over.aborted) return;
      // It may have gone while this one stood in line.
      const live = this.#options.routes.of(preview);
      if (live === undefined)
        return exchange.answer(
          silentAnswer(address, clientOfExchange(exchange), new Error('gone')),
        );
      const { promise: begun, resolve } = Promise.withResolvers<void>();
      this.#forward(exchange, address, live, resolve);
      await Promise.race([begun, sleep(RELEASE_MS, undefined, { ref: false })]);
    });
  }

  async #hold(exchange: Exchange, preview: PreviewId, ms: number): Promise<PreviewState> {
    const { control, closing } = this.#options;
    // `AbortSignal.timeout` would stay in memory for the whole time, whoever has left meanwhile.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), ms);
    this.#held += 1;
    try {
      return await control.settled(preview, AbortSignal.any([exchange.over, late.signal, closing]));
    } finally {
      clearTimeout(timer);
      this.#held -= 1;
    }
  }

  #forward(
    exchange: Exchange,
    address: Address,
    { route, upstreams }: LiveRoute,
    onAnswer?: () => void,
  ): void {
    const port = address.port ?? route.endpoint.port;
    const upstream = upstreams.get(port);
    if (upstream === undefined) {
      exchange.answer(noSuchPort(address, route, clientOfExchange(exchange)));
      return onAnswer?.();
    }
    const own = ['X-Pool-Commit', route.commit];
    if (this.#options.noindex) own.push('X-Robots-Tag', 'noindex');
    const onFailure = (error: Error) => {
      exchange.answer(silentAnswer(address, clientOfExchange(exchange), error));
    };
    exchange.forward(
      upstream,
      own,
      onAnswer === undefined ? { onFailure } : { onAnswer, onFailure },
    );
  }
}

function clientOfExchange({ request }: Exchange): Client {
  return clientOf(request.method ?? 'GET', request.headers);
}

function headOf({ httpVersion, rawHeaders, url = '/' }: IncomingMessage) {
  return { httpVersion, hosts: valuesOf(rawHeaders, 'host'), target: url };
}

function isPoolPath({ url = '/' }: IncomingMessage): boolean {
  return originForm(url).startsWith(POOL_PATH);
}

function poolRequest({ request, over }: Exchange, client: Client, closing: AbortSignal) {
  const { 'last-event-id': eventId } = request.headers;
  return {
    method: request.method ?? 'GET',
    target: originForm(request.url ?? '/'),
    lastEventId: typeof eventId === 'string' ? eventId : undefined,
    foreign: isForeign(request),
    client,
    over: AbortSignal.any([over, closing]),
  };
}

/** Whether a page of another origin made the browser ask; over plain HTTP only Origin tells. */
function isForeign({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin, host = '' } = headers;
  return origin !== undefined && origin.replace(/^https?:\/\//, '') !== host;
}
