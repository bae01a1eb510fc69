import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Readable } from 'node:stream';
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

/** What a forwarded exchange needs beside its two ends. */
export interface ForwardOptions {
  client: ClientSide;
  /** Headers of pool's own for the answer, name and value in turn. */
  own: readonly string[];
  limits: Limits;
  /** Aborts when the visitor goes away. */
  over: AbortSignal;
  /** Called when the answer begins. */
  onAnswer: () => void;
  /** Called instead of an answer where the upstream gives none; with a `Refusal` where pool knows why. */
  onFailure: (error: Error) => void;
}

/**
 * Sends a request on and streams the answer back, once there is a connection for it. A visitor who
 * leaves frees the upstream at once; an upstream that dies in the middle cuts the answer short, so
 * that nobody takes it for whole.
 */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: Upstream,
  options: ForwardOptions,
): Promise<void> {
  const { limits, over, onFailure } = options;
  try {
    const slow = await stillArrives(request, limits.firstBytesMs, over);
    const place = await upstream.places.take(slow, over);
    if (slow) request.once('end', () => place.arrived());
    if (over.aborted) place.free();
    else new Forwarding(request, response, upstream, options, place).begin();
  } catch (error) {
    onFailure(error as Error);
  }
}

/** One attempt to have a request answered. */
class Forwarding implements Listener {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #upstream: Upstream;
  readonly #options: ForwardOptions;
  readonly #place: Place;
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

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    upstream: Upstream,
    options: ForwardOptions,
    place: Place,
    retried = false,
  ) {
    this.#request = request;
    this.#response = response;
    this.#upstream = upstream;
    this.#options = options;
    this.#place = place;
    this.#retried = retried;
    this.#expects = request.headers.expect !== undefined;
  }

  begin(): void {
    const [request, response] = [this.#request, this.#response];
    const { client, limits } = this.#options;
    try {
      if (this.#upstream.disposed) throw new Error('the route went a moment ago');
      this.#sending = this.#upstream.send(
        {
          method: request.method ?? 'GET',
          path: originForm(request.url ?? '/'),
          headers: requestHeaders(request.rawHeaders, client),
        },
        this,
      );
    } catch (error) {
      // A header that Node reads but does not write.
      this.onFailure(error as Error);
      return this.onClose();
    }
    this.#patience = setTimeout(() => this.#look(), limits.bodyIdleMs).unref();
    this.#stir();
    response.once('close', this.#left);
    if (!hasBody(request)) return this.#end();
    if (request.readableLength === 0) this.#sending.flush();
    const { body } = this.#sending;
    body.on('drain', this.#stir);
    request.once('close', this.#left).once('end', this.#end).on('data', this.#stir);
    request.pipe(body, { end: false });
  }

  onInterim({ status, message, headers }: AnswerHead): void {
    const { socket } = this.#response;
    // HTTP/1.0 knows no such answers; one whose turn has not come yet cannot give them.
    if (this.#request.httpVersion === '1.0' || socket === null || this.#state !== 'asking') return;
    if (status === 100) this.#expects = false;
    // Whoever does not read must not make them pile up.
    if (socket.writableNeedDrain) return;
    const lines = pairs(endToEnd(headers)).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `HTTP/1.1 ${status} ${message ?? STATUS_CODES[status]}\r\n${lines.join('')}\r\n`,
      'latin1',
    );
  }

  onAnswer({ status, message, headers }: AnswerHead, body: Readable): void {
    const [request, response] = [this.#request, this.#response];
    const { own, onAnswer } = this.#options;
    if (this.#state !== 'asking') return;
    const bodyless = request.method === 'HEAD' || status === 204 || status === 304;
    const sized = valuesOf(headers, 'content-length').length > 0;
    this.#mayTrail = request.httpVersion === '1.1' && !bodyless && !sized;
    response.sendDate = false;
    try {
      const list = responseHeaders(headers, own, this.#mayTrail);
      if (message === undefined) response.writeHead(status, list);
      else response.writeHead(status, message, list);
    } catch (error) {
      // A status or header that Node reads but does not write.
      return this.onFailure(error as Error);
    }
    this.#stir();
    onAnswer();
    if (bodyless) {
      // Some applications send a body all the same: that is nothing of the answer.
      this.#state = 'answered';
      body.resume();
      response.end();
      return;
    }
    this.#state = 'answering';
    // The head goes at once, byte for byte: `flushHeaders` would write it in UTF-8.
    response.write('', 'latin1');
    response.on('drain', this.#stir);
    body.pipe(response, { end: false });
  }

  onEnd(raw: readonly string[]): void {
    if (this.#state !== 'answering') return;
    this.#state = 'answered';
    const last = trailers(raw);
    if (this.#mayTrail && last.length > 0) this.#response.addTrailers(last);
    this.#response.end();
  }

  onFailure(error: Error): void {
    const before = this.#state;
    if (before === 'failed' || before === 'repeated') return;
    this.#state = 'failed';
    if (before === 'answered') this.#request.unpipe().resume();
    else if (before === 'answering' || this.#response.destroyed) this.#cut();
    else if (this.#mayRepeat(error)) this.#repeat();
    else this.#options.onFailure(error);
    this.#sending?.destroy();
  }

  onClose(): void {
    this.#drop();
    if (this.#state !== 'repeated') this.#place.free();
  }

  readonly #end = () => {
    this.#sent = true;
    this.#stir();
    this.#sending?.end(trailers(this.#request.rawTrailers));
  };

  /** One end of the visitor's side closed; a request that was sent, or answered, did so in peace. */
  readonly #left = () => {
    const { closed } = this.#response;
    const answered = this.#state === 'answered';
    if (answered ? !this.#sent && this.#request.destroyed : closed || !this.#sent) {
      this.#sending?.destroy();
    }
  };

  readonly #stir = () => {
    this.#quietSince = performance.now();
    this.#patience?.refresh();
  };

  /** Nothing moved for a while: says whose fault it is, and for how long that may go on. */
  #look(): void {
    const { answerMs, bodyIdleMs } = this.#options.limits;
    const quietMs = performance.now() - this.#quietSince;
    this.#patience?.refresh();
    if (this.#state === 'asking' && this.#isClientsTurn()) this.onFailure(bodyLate(bodyIdleMs));
    else if (this.#state === 'asking' && quietMs >= answerMs) this.onFailure(answerLate(answerMs));
    else if (this.#response.writableNeedDrain && quietMs >= answerMs) this.#cut();
  }

  #isClientsTurn(): boolean {
    const jammed = this.#sending?.body.writableNeedDrain === true;
    return !this.#sent && !this.#expects && !jammed;
  }

  /** An idle connection that the application closed just now says nothing about the application. */
  #mayRepeat(error: Error): boolean {
    const { headers, method = '' } = this.#request;
    const bodyless =
      headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
    const reused = this.#sending?.reused === true && !(error instanceof Refusal);
    return reused && !this.#retried && bodyless && SAFE.has(method);
  }

  #repeat(): void {
    this.#state = 'repeated';
    this.#drop();
    const [request, response, place] = [this.#request, this.#response, this.#place];
    new Forwarding(request, response, this.#upstream, this.#options, place, true).begin();
  }

  /** What came so far must not look whole. */
  #cut(): void {
    const { httpVersion, socket } = this.#request;
    // The end of the connection is the end of the body there; and a turn may not have come yet.
    if (httpVersion === '1.0') socket.resetAndDestroy();
    else if (this.#response.socket === null) socket.destroy();
    else this.#response.destroy();
  }

  /** Lets go of both ends. */
  #drop(): void {
    clearTimeout(this.#patience);
    this.#request.off('data', this.#stir).off('end', this.#end).off('close', this.#left);
    this.#response.off('drain', this.#stir).off('close', this.#left);
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
