import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { type Address, destinationOf } from '../address/host.ts';
import type { RepositoryName } from '../address/label.ts';
import { slug } from '../address/slug.ts';
import { PreviewError, toFailure } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { History } from '../mirror/history.ts';
import type { Mirror } from '../mirror/mirror.ts';
import { phaseWords } from '../page/words.ts';
import type { Control, Visit } from '../preview/control.ts';
import type { Wanted } from '../preview/make-preview.ts';
import type { Preview } from '../preview/preview.ts';
import type { Previews } from '../preview/previews.ts';
import { type Refusal, type Reply, type Request, type Row, type Verb, VERBS } from './verbs.ts';

/** What the verbs are about. */
export interface ControlOptions {
  domains: readonly string[];
  mirrors: ReadonlyMap<RepositoryName, Mirror>;
  previews: Pick<Previews, 'all' | 'get' | 'of' | 'stop'>;
  control: Pick<Control, 'visit'>;
  history: Pick<History, 'commit'>;
  labelOf: (wanted: Wanted) => string;
  urlOf: (wanted: Wanted) => string;
  /** Commits that have an image. */
  built: () => Promise<Wanted[]>;
  removeImage: (wanted: Wanted) => Promise<void>;
  logger: Logger;
}

/**
 * Answers commands on the control socket. It is not the socket that visitors of the bare domain are
 * led to: who may use it is decided by the data folder's mode alone.
 */
export function controlListener(options: ControlOptions): RequestListener {
  const verbs = new Verbs(options);
  return (request, response) => {
    answer(verbs, request, response).catch((error: unknown) => {
      const known = error instanceof Refused || error instanceof PreviewError;
      if (!known) options.logger('internal', { error });
      if (response.headersSent) return void response.destroy();
      const { message, next } = error instanceof Refused ? error : toFailure(error);
      const told: Refusal = { message, next };
      response.writeHead(error instanceof Refused ? error.status : 503).end(JSON.stringify(told));
    });
  };
}

async function answer(verbs: Verbs, request: IncomingMessage, response: ServerResponse) {
  const verb = (request.url ?? '').slice(1);
  if (request.method !== 'POST' || !Object.hasOwn(VERBS, verb)) {
    throw new Refused(404, 'The pool that runs does not know this command.', 'Start it anew.');
  }
  const left = new AbortController();
  response.once('close', () => left.abort());
  const asked = VERBS[verb as Verb].request.safeParse(await json(request).catch(() => undefined));
  if (!asked.success) throw new Refused(400, 'The request is not understood.', 'Start pool anew.');
  const run = verbs[verb as Verb] as (asked: unknown, over: AbortSignal) => AsyncIterable<object>;
  for await (const one of run.call(verbs, asked.data, left.signal)) {
    if (left.signal.aborted) return;
    const taken = response.write(`${JSON.stringify(one)}\n`);
    if (!taken) await once(response, 'drain', { signal: left.signal }).catch(() => {});
  }
  response.end();
}

type Answers<V extends Verb> = AsyncIterable<Reply<V>>;

class Verbs implements Record<Verb, unknown> {
  readonly #options: ControlOptions;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  async *ls(): Answers<'ls'> {
    const { previews, built, mirrors } = this.#options;
    const cold = (await built()).filter(({ repository }) => mirrors.has(repository));
    const known = [...previews.all()].filter(({ state }) => state.phase !== 'cold');
    const all = new Set([...known, ...cold.map((wanted) => previews.of(wanted))]);
    const rows = await Promise.all([...all].map(async (preview) => await this.#row(preview)));
    yield { previews: rows.toSorted((a, b) => b.since - a.since) };
  }

  async *wait({ address, timeoutMs }: Request<'wait'>, over: AbortSignal): Answers<'wait'> {
    const preview = await this.#find(address, true);
    await preview.settled(AbortSignal.any([over, AbortSignal.timeout(timeoutMs)]));
    yield await this.#row(preview);
  }

  async *log({ address, follow }: Request<'log'>, over: AbortSignal): Answers<'log'> {
    const { log } = await this.#find(address);
    if (follow) yield* log.follow(0, over);
    else yield { text: await log.read() };
  }

  async *rebuild({ address, pull }: Request<'rebuild'>, over: AbortSignal): Answers<'rebuild'> {
    const preview = await this.#find(address);
    if (!preview.rebuild({ pull })) {
      const next = 'End that with "pool stop", or wait for it with "pool wait".';
      throw new Refused(409, 'It is on its way already.', next);
    }
    await preview.done(over);
    yield await this.#row(preview);
  }

  async *stop({ address }: Request<'stop'>): Answers<'stop'> {
    const preview = await this.#find(address);
    await this.#options.previews.stop(preview);
    yield await this.#row(preview);
  }

  async *rm({ address }: Request<'rm'>): Answers<'rm'> {
    const preview = await this.#find(address);
    await this.#options.previews.stop(preview);
    await this.#options.removeImage(preview.wanted);
    if (!preview.busy) await preview.log.remove();
    yield await this.#row(preview);
  }

  async #find(text: string, start = false): Promise<Preview> {
    const { domains, previews, control, labelOf } = this.#options;
    const address = toAddress(text, domains);
    const visit = await control.visit(address, start);
    const found =
      visit.kind === 'preview'
        ? previews.get(visit.view.id)
        : // No branch may reach it any more, and still it runs.
          [...previews.all()].find(({ wanted }) => labelOf(wanted) === address.label);
    const startable = visit.kind === 'preview' || found?.state.phase === 'ready';
    if (found === undefined || (start && !startable)) throw refusal(text, visit);
    return found;
  }

  async #row({ wanted, state }: Preview): Promise<Row> {
    const { mirrors, history, labelOf, urlOf } = this.#options;
    const { repository, commit } = wanted;
    const mirror = mirrors.get(repository);
    // An image outlives its commit where a branch was rewritten and the mirror made anew.
    const summary = mirror && (await history.commit(mirror, commit).catch(() => undefined));
    const { phase, since } = state;
    const rebuild = phase === 'ready' ? state.rebuild : undefined;
    const last = rebuild ?? state;
    return {
      repository,
      commit,
      address: labelOf(wanted),
      url: urlOf(wanted),
      subject: summary?.subject ?? '',
      refs: mirror?.table.at(commit).map(({ name }) => name) ?? [],
      phase,
      words: phaseWords(state),
      since: phase === 'cold' ? 0 : since,
      ...(rebuild === undefined ? {} : { rebuild: rebuild.phase }),
      ...(last.phase === 'failed' ? { failure: last.failure } : {}),
    };
  }
}

/** Why a command is not done, in words for whoever typed it. */
class Refused extends Error {
  readonly status: number;
  readonly next: string;

  constructor(status: number, message: string, next: string) {
    super(message);
    this.status = status;
    this.next = next;
  }
}

/** A label, a host or a URL as an address. */
function toAddress(text: string, domains: readonly string[]): Address {
  const host = text.replace(/^https?:\/\//i, '').split('/')[0] ?? '';
  const full = host.includes('.') || host.includes(':') ? host : `${host}.${domains[0]}`;
  const to = destinationOf({ httpVersion: '1.1', hosts: [full], target: '/' }, domains);
  if (to.kind === 'preview' && (host === text || text.includes('://'))) return to.address;
  const reason = to.kind === 'refused' ? to.reason : 'it names no preview';
  const next = `A branch "${text}" is written ${slug(text)}; else write a label, a host or a URL.`;
  throw new Refused(404, `"${text}" is no address: ${reason}.`, next);
}

function refusal(text: string, visit: Visit): Error {
  switch (visit.kind) {
    case 'refused':
      return new Refused(503, visit.failure.message, visit.failure.next);
    case 'ambiguous': {
      const labels = visit.choices.map(({ name, label }) => `${label} (${name})`);
      return new Refused(
        300,
        `"${text}" means several commits.`,
        `Name one: ${labels.join(', ')}.`,
      );
    }
    case 'unknown': {
      const near = visit.near.map(({ label }) => label).join(', ');
      const next = near === '' ? '"pool ls" lists what is there.' : `Near to it: ${near}.`;
      return new Refused(404, `"${text}" is unknown. ${visit.reason}`, next);
    }
    case 'preview':
      return new Error('a preview that is known is not found');
  }
}
