import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { type Address, destinationOf } from '../address/host.ts';
import { toFailure } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Control, Visit } from '../preview/control.ts';
import { problemAnswer, textAnswer } from './answers.ts';
import { type Client, clientOf } from './client.ts';
import { decide } from './decide.ts';
import { type Exchange, httpExchange, upgradeExchange } from './exchange.ts';
import { deskAway, lostAnswer, previewAnswer, silentAnswer, tooMany } from './own-answers.ts';
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
  logger: Logger;
  /** Aborts when pool ends: streams of events end with it. */
  closing: AbortSignal;
}

/** Requests that may be held at once: each costs a socket and some 10 KB. */
const HELD_LIMIT = 10_000;
/** A client that needs longer for its headers is broken or hostile. */
const HEADERS_LIMIT_MS = 15_000;
/** Longer than browsers keep an idle connection for reuse, so that they close it and not pool. */
const IDLE_MS = 75_000;

/** The server that visitors meet. Not listening yet. */
export function createFront(options: FrontOptions): Server {
  const tunnel = new Tunnel();
  options.closing.addEventListener('abort', () => tunnel[Symbol.dispose](), { once: true });
  const front = new Front(options);
  const server = createServer({
    // The Host table is pool's own; so is the answer to what breaks it.
    requireHostHeader: false,
    headersTimeout: HEADERS_LIMIT_MS,
    // Bodies may take as long as the application likes.
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
    shouldUpgradeCallback: isWebSocket,
  });
  const handle = (exchange: Exchange) => void front.handle(exchange);
  server.on('request', (request, response) => handle(httpExchange(request, response)));
  // An application that refuses a body does so before it was sent.
  server.on('checkContinue', (request, response) => handle(httpExchange(request, response)));
  server.on('upgrade', (request, socket, head) =>
    handle(upgradeExchange(request, socket as Socket, head, tunnel)),
  );
  return server;
}

class Front {
  readonly #options: FrontOptions;
  #held = 0;

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  /** One request, from its Host header to an answer. Never rejects. */
  async handle(exchange: Exchange): Promise<void> {
    try {
      await this.#dispatch(exchange);
    } catch (error) {
      this.#options.logger('internal', { error });
      exchange.answer(problemAnswer(500, 'Internal error', toFailure(error).message));
    }
  }

  async #dispatch(exchange: Exchange): Promise<void> {
    const { request } = exchange;
    const { domains, routes, desk } = this.#options;
    const destination = destinationOf(headOf(request), domains);
    if (destination.kind === 'refused') {
      return exchange.answer(textAnswer(destination.status, `pool: ${destination.reason}\n`));
    }
    if (destination.kind === 'desk') {
      return exchange.forward(desk, [], () => exchange.answer(deskAway(destination.site)));
    }
    const { address } = destination;
    const live = routes.find(address, Date.now());
    if (live !== undefined && !isPoolPath(request)) return this.#forward(exchange, address, live);
    await this.#ask(exchange, address);
  }

  /** No route is known: the control plane says what the address means, and starts it. */
  async #ask(exchange: Exchange, address: Address): Promise<void> {
    const { request } = exchange;
    const { control, routes, closing } = this.#options;
    const client = clientOf(request.method ?? 'GET', request.headers);
    const own = isPoolPath(request);
    const visit = await control.visit(address, client.kind !== 'robot' && !own);
    if (visit.kind !== 'preview') return exchange.answer(lostAnswer(visit, address, client));
    routes.remember(address, visit.view.id, visit.until);
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
    visit: Extract<Visit, { kind: 'preview' }>,
  ): Promise<void> {
    const { control, routes, holdMs } = this.#options;
    const begun = Date.now();
    let { state } = visit.view;
    for (;;) {
      const decision = decide(state.phase, client, Date.now() - begun, holdMs);
      if (decision.do === 'forward') {
        const live = routes.of(visit.view.id);
        if (live !== undefined) return this.#forward(exchange, address, live);
        // The route went while this was decided.
        state = { phase: 'cold', since: Date.now() };
        continue;
      }
      if (decision.do !== 'hold') {
        const parts = { ...visit, view: { ...visit.view, state }, site: address.site };
        const log = decision.do.endsWith('page') ? await control.log(visit.view.id) : '';
        return exchange.answer(previewAnswer(decision, { ...parts, log }));
      }
      if (this.#held >= HELD_LIMIT) return exchange.answer(tooMany(HELD_LIMIT));
      this.#held += 1;
      try {
        const over = AbortSignal.any([exchange.over, AbortSignal.timeout(decision.ms)]);
        state = await control.settled(visit.view.id, over);
      } finally {
        this.#held -= 1;
      }
      if (exchange.over.aborted) return;
    }
  }

  #forward(exchange: Exchange, address: Address, { route, upstreams }: LiveRoute): void {
    const port = address.port ?? route.endpoint.port;
    const upstream = upstreams.get(port);
    if (upstream === undefined) {
      const ports = [...upstreams.keys()].join(', ');
      const detail = `This preview publishes the ports ${ports}, and not ${port}.`;
      return exchange.answer(problemAnswer(404, 'No such port', detail));
    }
    const own = ['X-Pool-Commit', route.commit, 'X-Robots-Tag', 'noindex'];
    exchange.forward(upstream, own, () => {
      const client = clientOf(exchange.request.method ?? 'GET', exchange.request.headers);
      exchange.answer(silentAnswer(address, client));
    });
  }
}

function headOf(request: IncomingMessage) {
  const { rawHeaders } = request;
  const hosts = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'host',
  );
  return { httpVersion: request.httpVersion, hosts, target: request.url ?? '/' };
}

function isPoolPath({ url = '/' }: IncomingMessage): boolean {
  return url.startsWith(POOL_PATH);
}

function poolRequest({ request, over }: Exchange, client: Client, closing: AbortSignal) {
  const { 'last-event-id': eventId, 'sec-fetch-site': site } = request.headers;
  return {
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    lastEventId: typeof eventId === 'string' ? eventId : undefined,
    secFetchSite: typeof site === 'string' ? site : undefined,
    client,
    over: AbortSignal.any([over, closing]),
  };
}
