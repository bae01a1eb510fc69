import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import {
  type ClientSide,
  endToEnd,
  originForm,
  pairs,
  requestHeaders,
  responseHeaders,
  trailers,
  valuesOf,
} from './headers.ts';
import type { Limits } from './limits.ts';
import { hasBody, type Place, stillArrives } from './places.ts';
import { Refusal } from './refusal.ts';
import type { AnswerHead, Listener, Sending } from './sending.ts';
import type { Upstream } from './upstream.ts';

/** May be sent twice without harm (RFC 9110, section 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** To copy so little costs less than to see whether it could be written at once. */
const COPIED_BYTES = 8192;

/** What a forwarded exchange needs beside its two ends. */
export interface ForwardOptions {
  client: ClientSide;
  /** Headers of pool's own for the answer, name and value in turn. */
  own: readonly string[];
  limits: Limits;
  /** Called when the answer begins. */
  onAnswer: () => void;
  /** Called instead of an answer where the upstream gives none; with a `Refusal` where pool knows why. */
  onFailure: (error: Error) => void;
}

/**
 * Sends a request on and streams the answer back, once there is a connection for it. A visitor who
 * leaves frees the upstream at once; an upstream that dies in the middle cuts the answer short, so
 * that nobody takes it for whole. `over` makes the signal that the visitor has gone away.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: Upstream,
  options: ForwardOptions,
  over: () => AbortSignal,
): void {
  if (response.closed) return;
  const place = hasBody(request) ? undefined : upstream.places.takeNow();
  const ends = { request, response, upstream, options };
  if (place === undefined) void inTurn(ends, over());
  else new Forwarding({ ...ends, place }).begin();
}

/** The same for those who must wait, for the beginning of their body or for a place. */
async function inTurn(ends: Omit<Ends, 'place'>, over: AbortSignal): Promise<void> {
  const { request, upstream, options } = ends;
  try {
    const slow = await stillArrives(request, options.limits.firstBytesMs, over);
    const place = await upstream.places.take(slow, over);
    if (slow) request.once('end', () => upstream.places.arrived(place));
    if (over.aborted) upstream.places.free(place);
    else new Forwarding({ ...ends, place }).begin();
  } catch (error) {
    options.onFailure(error as Error);
  }
}

/** What stands at the two ends of a request, and the place it was given. */
interface Ends {
  request: IncomingMessage;
  response: ServerResponse;
  upstream: Upstream;
  options: ForwardOptions;
  place: Place;
}

/** One attempt to have a request answered. */
class Forwarding implements Listener {
  readonly #ends: Ends;
  readonly #retried: boolean;
  #sending: Sending | undefined;
  #state: 'asking' | 'repeated' | 'answering' | 'answered' | 'failed' = 'asking';
  #mayTrail = false;
  /** The request went out whole. */
  #sent = false;
  /** The client waits for a 100 before it sends its body. */
  #expects: boolean;
  #patience: NodeJS.Timeout | undefined;
  #quietSince = 0;

  constructor(ends: Ends, retried = false) {
    this.#ends = ends;
    this.#retried = retried;
    this.#expects = ends.request.headers.expect !== undefined;
  }

  begin(): void {
    const { request, response, upstream, options } = this.#ends;
    const { method = 'GET', url = '/', rawHeaders } = request;
    const withBody = hasBody(request);
    const headers = requestHeaders(rawHeaders, options.client);
    try {
      if (upstream.disposed) throw new Error('the route went a moment ago');
      const head = { method, path: originForm(url), headers, hasBody: withBody };
      this.#sending = upstream.send(head, this);
    } catch (error) {
      // A header that Node reads but does not write.
      this.onFailure(error as Error);
      return this.onClose();
    }
    this.#patience = setTimeout(() => this.#look(), options.limits.bodyIdleMs);
    response.on('close', this.#left);
    const { body } = this.#sending;
    if (body === undefined || !withBody) return this.#end();
    this.#stir();
    body.on('drain', this.#stir);
    request.once('close', this.#left).once('end', this.#end).on('data', this.#stir);
    request.pipe(body, { end: false });
  }

  onInterim({ status, message, headers }: AnswerHead): void {
    const { request, response } = this.#ends;
    const { socket } = response;
    // HTTP/1.0 knows no such answers.
    if (request.httpVersion === '1.0' || socket === null || this.#state !== 'asking') return;
    if (status === 100) this.#expects = false;
    // Whoever does not read must not make them pile up.
    if (socket.writableNeedDrain) return;
    const lines = pairs(endToEnd(headers)).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `HTTP/1.1 ${status} ${message ?? STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`,
      'latin1',
    );
  }

  onAnswer({ status, message, headers }: AnswerHead, followed: boolean): void {
    const { request, response, options } = this.#ends;
    if (this.#state !== 'asking') return;
    const bodyless = request.method === 'HEAD' || status === 204 || status === 304;
    const sized = valuesOf(headers, 'content-length').length > 0;
    this.#mayTrail = request.httpVersion === '1.1' && !bodyless && !sized;
    try {
      const list = responseHeaders(headers, options.own, this.#mayTrail);
      if (message === undefined) response.writeHead(status, list);
      else response.writeHead(status, message, list);
    } catch (error) {
      // A status or header that Node reads but does not write.
      return this.onFailure(error as Error);
    }
    this.#stir();
    options.onAnswer();
    // Some applications send a body all the same: that is nothing of the answer.
    this.#state = bodyless ? 'answered' : 'answering';
    if (bodyless) response.end();
    // The head goes at once, and byte for byte: `flushHeaders` would write it in UTF-8.
    else if (!followed) response.write('', 'latin1');
  }

  onData(bytes: Buffer, last: boolean): boolean {
    if (this.#state !== 'answering') return false;
    const { response } = this.#ends;
    const small = bytes.length < COPIED_BYTES;
    const piece = small ? Buffer.from(bytes) : bytes;
    if (last) {
      this.#state = 'answered';
      response.end(piece);
    } else if (!response.write(piece)) {
      this.#sending?.pause();
      response.once('drain', this.#drained);
    }
    if (small) return false;
    // Node would wait for more to write; mostly the kernel takes it all, and the bytes are free again.
    response.socket?.uncork();
    return response.writableLength > 0;
  }

  onEnd(raw: readonly string[]): void {
    if (this.#state !== 'answering') return;
    this.#state = 'answered';
    const { response } = this.#ends;
    if (this.#mayTrail) response.addTrailers(trailers(raw));
    response.end();
  }

  onFailure(error: Error): void {
    const { request, response, options } = this.#ends;
    const before = this.#state;
    if (before === 'failed' || before === 'repeated') return;
    this.#state = 'failed';
    if (before === 'answered') request.unpipe().resume();
    else if (before === 'answering' || response.destroyed) this.#cut();
    else if (this.#mayRepeat(error)) this.#repeat();
    else options.onFailure(error);
    this.#sending?.destroy();
  }

  onClose(): void {
    const { upstream, place } = this.#ends;
    this.#drop();
    if (this.#state !== 'repeated') upstream.places.free(place);
  }

  readonly #end = () => {
    this.#sent = true;
    this.#stir();
    this.#sending?.end(trailers(this.#ends.request.rawTrailers));
  };

  /** One end of the visitor's side closed; a request that was sent, or answered, did so in peace. */
  readonly #left = () => {
    const { request, response } = this.#ends;
    const answered = this.#state === 'answered';
    if (answered ? !this.#sent && request.destroyed : response.closed || !this.#sent) {
      this.#sending?.destroy();
    }
  };

  readonly #stir = () => {
    this.#quietSince = performance.now();
    this.#patience?.refresh();
  };

  readonly #drained = () => {
    this.#stir();
    this.#sending?.resume();
  };

  /** Nothing moved for a while: says whose fault it is, and for how long that may go on. */
  #look(): void {
    const { response, options } = this.#ends;
    const { answerMs, bodyIdleMs } = options.limits;
    const quietMs = performance.now() - this.#quietSince;
    this.#patience?.refresh();
    if (this.#state === 'asking' && this.#isClientsTurn()) this.onFailure(bodyLate(bodyIdleMs));
    else if (this.#state === 'asking' && quietMs >= answerMs) this.onFailure(answerLate(answerMs));
    else if (response.writableNeedDrain && quietMs >= answerMs) this.#cut();
  }

  #isClientsTurn(): boolean {
    const jammed = this.#sending?.body?.writableNeedDrain === true;
    return !this.#sent && !this.#expects && !jammed;
  }

  /** An idle connection that the application closed just now says nothing about the application. */
  #mayRepeat(error: Error): boolean {
    const { request } = this.#ends;
    const reused = this.#sending?.reused === true && !(error instanceof Refusal);
    return reused && !this.#retried && !hasBody(request) && SAFE.has(request.method ?? '');
  }

  #repeat(): void {
    this.#state = 'repeated';
    this.#drop();
    new Forwarding(this.#ends, true).begin();
  }

  /** What came so far must not look whole. */
  #cut(): void {
    const { request, response } = this.#ends;
    const { httpVersion, socket } = request;
    // The end of the connection is the end of the body there.
    if (httpVersion === '1.0') socket.resetAndDestroy();
    else response.destroy();
  }

  /** Lets go of both ends. */
  #drop(): void {
    clearTimeout(this.#patience);
    // A cleared timer that is refreshed would run again.
    this.#patience = undefined;
    const { request, response } = this.#ends;
    response.off('close', this.#left);
    if (!hasBody(request)) return;
    request.off('data', this.#stir).off('end', this.#end).off('close', this.#left);
  }
}

function bodyLate(ms: number): Refusal {
  return new Refusal(
    408,
    'Body too slow',
    `Not a byte of the request's body came for ${ms / 1000} s.`,
    'Send it again.',
  );
}

function answerLate(ms: number): Refusal {
  return new Refusal(
    504,
    'No answer in time',
    `The application at this commit has the request, and did not begin to answer within ${ms / 1000} s.`,
    'It may hang; its log may tell more.',
    5,
  );
}
