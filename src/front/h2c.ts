import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { endToEnd, isChunked, pairs, valuesOf } from './headers.ts';
import { LIMITS } from './limits.ts';
import type { AnswerHead, Head, Listener, Sending } from './sending.ts';

/** A field counts for at least so many bytes (RFC 9113, section 6.5.2). */
const FIELD_BYTES = 32;

/**
 * The one connection to an application that speaks only HTTP/2 without TLS. It is made when it is
 * needed, and made anew when the application or a quiet time ended it.
 */
export class H2cConnection implements Disposable {
  readonly #origin: string;
  readonly #idleMs: number;
  /** The one that takes new requests. */
  #session: ClientHttp2Session | undefined;
  readonly #open = new Set<ClientHttp2Session>();

  constructor(origin: string, idleMs: number) {
    this.#origin = origin;
    this.#idleMs = idleMs;
  }

  send(head: Head, listener: Listener): Sending {
    const reused = this.#session !== undefined;
    const session = (this.#session ??= this.#connect());
    const isWhole = !hasBody(head.headers);
    const stream = session.request(requestHead(head), {
      endStream: isWhole,
      waitForTrailers: isChunked(head.headers),
    });
    return listen(stream, listener, reused, isWhole);
  }

  [Symbol.dispose](): void {
    // Without an error its streams would seem to have ended well.
    for (const session of this.#open) session.destroy(new Error('the route went'));
  }

  #connect(): ClientHttp2Session {
    const maxHeaderListPairs = LIMITS.headerBytes / FIELD_BYTES;
    const session = connect(this.#origin, { maxHeaderListPairs, settings: { enablePush: false } });
    const forget = () => {
      if (this.#session === session) this.#session = undefined;
    };
    this.#open.add(session);
    session.once('close', () => this.#open.delete(session));
    // A stream pushed all the same has nobody else to hear its error, which would end pool.
    session.on('stream', (pushed) => pushed.on('error', () => {}).destroy());
    // What happened its streams tell; one that is going takes no new ones.
    session.on('error', forget).on('goaway', forget).on('close', forget);
    session.setTimeout(this.#idleMs, () => {
      forget();
      session.close();
    });
    return session;
  }
}

function listen(
  stream: ClientHttp2Stream,
  listener: Listener,
  reused: boolean,
  isWhole: boolean,
): Sending {
  let told: readonly string[] = [];
  let sent: readonly [name: string, value: string][] = [];
  let ended = false;
  let failure: Error | undefined;
  stream.on('headers', (_headers, _flags, raw) => listener.onInterim(answerHead(raw)));
  stream.once('response', (_headers, _flags, raw) => {
    listener.onAnswer(answerHead(raw), false);
    stream.on('data', (bytes: Buffer) => listener.onData(bytes, false));
  });
  stream.once('trailers', (_headers, _flags, raw) => (told = raw));
  stream.once('wantTrailers', () => stream.sendTrailers(grouped(sent)));
  stream.once('end', () => {
    // A stream that was reset ends too.
    ended = stream.rstCode === 0;
    if (ended) listener.onEnd(told);
  });
  stream.once('error', (error) => (failure = error));
  stream.once('close', () => {
    const reset = new Error(`it reset the request with the code ${stream.rstCode}`);
    if (!ended) listener.onFailure(failure ?? reset);
    listener.onClose();
  });
  return {
    body: stream,
    reused,
    end(trailers) {
      sent = trailers;
      if (!isWhole) stream.end();
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    destroy: () => stream.destroy(),
  };
}

/** RFC 9113, section 8.3: the first line and Host as fields of their own, names in lower case. */
function requestHead({ method, path, headers }: Head): string[] {
  const [host = ''] = valuesOf(headers, 'host');
  const rest = pairs(endToEnd(headers, (name) => name.toLowerCase() === 'host'));
  const first = [':method', method, ':scheme', 'http', ':authority', host, ':path', path];
  return [...first, ...rest.flatMap(([name, value]) => [name.toLowerCase(), value])];
}

/** The same in the words of HTTP/1.1, which has no names with a colon. */
function answerHead(raw: readonly string[]): AnswerHead {
  const headers = pairs(raw).filter(([name]) => !name.startsWith(':'));
  return {
    status: Number(valuesOf(raw, ':status')[0]),
    message: undefined,
    headers: headers.flat(),
  };
}

function hasBody(headers: readonly string[]): boolean {
  return isChunked(headers) || Number(valuesOf(headers, 'content-length')[0] ?? 0) > 0;
}

function grouped(fields: readonly [name: string, value: string][]): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const [name, value] of fields) (groups[name.toLowerCase()] ??= []).push(value);
  return groups;
}
