import type { Address } from '../address/host.ts';
import { pageKind, phaseWords, sentence } from '../page/words.ts';
import type { Control, Happening, Visit } from '../preview/control.ts';
import type { PreviewId } from '../preview/preview.ts';
import { jsonAnswer, pageAnswer, problemAnswer, textAnswer } from './answers.ts';
import type { Client } from './client.ts';
import type { Answer } from './exchange.ts';
import { previewPage } from './preview-pages.ts';

/** The part of a preview's host that is pool's; every other path is the application's. */
export const POOL_PATH = '/_pool/';

/** A comment so often keeps middle boxes from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;

/** What a request for a path below `/_pool/` says of itself. */
export interface PoolRequest {
  method: string;
  /** Path and query. */
  target: string;
  lastEventId: string | undefined;
  /** Asked by a page of another origin. */
  foreign: boolean;
  client: Client;
  over: AbortSignal;
}

/** Answers below `/_pool/` in every phase: the preview's page, its log, its events, retry and rebuild. */
export async function poolAnswer(
  request: PoolRequest,
  visit: Extract<Visit, { kind: 'preview' }>,
  address: Address,
  control: Control,
): Promise<Answer> {
  const [path = '', query] = request.target.split('?', 2);
  const searchParams = new URLSearchParams(query);
  const { id } = visit.view;
  const name = path.slice(POOL_PATH.length);
  if (name === 'retry' || name === 'rebuild') {
    return refused(name, request) ?? (await deeds[name](id, searchParams, control));
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    const headers = { allow: 'GET, HEAD' };
    return problemAnswer(405, 'Method not allowed', 'Only GET works here.', {}, headers);
  }
  if (name === '') {
    const { view, rule, mirroredAt } = visit;
    if (request.client.format === 'json') return jsonAnswer(200, { ...view, rule, mirroredAt });
    const log = await control.log(id);
    const parts = { view, rule, mirroredAt, site: address.site, log };
    return pageAnswer(200, previewPage(parts, Date.now()));
  }
  if (name === 'log') return textAnswer(200, await control.log(id));
  if (name === 'events') {
    const asked = Number(request.lastEventId ?? searchParams.get('from') ?? 0);
    const from = Number.isSafeInteger(asked) && asked > 0 ? asked : 0;
    const happenings = control.follow(id, from, request.over);
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
    return { status: 200, headers, body: withHeartbeat(happenings, request.over) };
  }
  return problemAnswer(404, 'Not found', 'Below /_pool/ there are log, events, retry and rebuild.');
}

type Deed = (preview: PreviewId, query: URLSearchParams, control: Control) => Promise<Answer>;

/** What somebody can do about a preview; each leads to where its effect is seen. */
const deeds: Record<'retry' | 'rebuild', Deed> = {
  async retry(preview, _, control) {
    await control.retry(preview);
    return seeOther('/');
  },
  async rebuild(preview, query, control) {
    const begun = await control.rebuild(preview, { pull: query.get('pull') !== 'no' });
    if (begun) return seeOther(POOL_PATH);
    return problemAnswer(
      409,
      'Not now',
      'It is being made already, or no branch or tag reaches its commit any more.',
    );
  },
};

/** Refuses a deed that is no POST, or that a page of another site asks for. */
function refused(name: keyof typeof deeds, { method, foreign }: PoolRequest): Answer | undefined {
  if (method !== 'POST') {
    const how = `${sentence(name)} with POST.`;
    return problemAnswer(405, 'Method not allowed', how, {}, { allow: 'POST' });
  }
  if (!foreign) return undefined;
  return problemAnswer(403, 'Forbidden', `Another site may not ${name} a preview.`);
}

function seeOther(location: string): Answer {
  return { status: 303, headers: { location, 'cache-control': 'no-store' }, body: '' };
}

/** Happenings as server-sent events; the id of a log event is the offset to go on from. */
async function* withHeartbeat(
  happenings: AsyncIterable<Happening>,
  over: AbortSignal,
): AsyncGenerator<string> {
  const source = happenings[Symbol.asyncIterator]();
  let pending = source.next();
  pending.catch(() => {});
  yield 'retry: 1000\n\n';
  while (!over.aborted) {
    const beat = Promise.withResolvers<'beat'>();
    const timer = setTimeout(() => beat.resolve('beat'), HEARTBEAT_MS);
    const next = await Promise.race([pending, beat.promise]);
    clearTimeout(timer);
    if (next === 'beat') {
      yield ': still here\n\n';
    } else if (next.done) {
      return;
    } else {
      pending = source.next();
      pending.catch(() => {});
      yield eventText(next.value);
    }
  }
}

function eventText(happening: Happening): string {
  if (happening.kind === 'log') {
    const { text, next } = happening;
    return `event: log\nid: ${next}\ndata: ${JSON.stringify({ text })}\n\n`;
  }
  const { state } = happening;
  const data = { ...state, words: sentence(phaseWords(state)), page: pageKind(state) };
  return `event: state\ndata: ${JSON.stringify(data)}\n\n`;
}
