import type { ClientRequest } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { isPlainlyFramed } from './headers.ts';

/** A request's head as it goes to an upstream; headers are names and values in turn. */
export interface Head {
  method: string;
  path: string;
  headers: string[];
}

/** The beginning of an answer. */
export interface AnswerHead {
  status: number;
  /** HTTP/2 has none. */
  message: string | undefined;
  headers: readonly string[];
}

/** Who hears what an upstream says to one request. */
export interface Listener {
  /** A 1xx other than 101: more is to come. */
  onInterim(head: AnswerHead): void;
  onAnswer(head: AnswerHead, body: Readable): void;
  /** The answer is whole. */
  onEnd(trailers: readonly string[]): void;
  /** No answer comes, or no more of it. */
  onFailure(error: Error): void;
  /** Nothing of the upstream is used any more. */
  onClose(): void;
}

/** A request under way, whatever protocol it goes by. */
export interface Sending {
  /** Where the request's body goes, and then `end`. */
  readonly body: Writable;
  /** True where it went out on a connection that had lain idle. */
  readonly reused: boolean;
  end(trailers: readonly [name: string, value: string][]): void;
  destroy(): void;
}

/** Listens to a request that goes by HTTP/1.1. */
export function sendHttp1(outgoing: ClientRequest, listener: Listener): Sending {
  // `headerBytes` limits them; what Node counts beyond a thousand it would leave out silently.
  outgoing.maxHeadersCount = 0;
  outgoing.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
    listener.onInterim({ status: statusCode, message: statusMessage, headers: rawHeaders });
  });
  outgoing.once('response', (answer) => {
    if (!isPlainlyFramed(answer.rawHeaders)) {
      outgoing.destroy(new Error('its answer has a transfer coding other than chunked'));
      return;
    }
    const { statusCode = 502, statusMessage, rawHeaders } = answer;
    answer.once('end', () => listener.onEnd(answer.rawTrailers));
    answer.once('error', (error) => listener.onFailure(error));
    listener.onAnswer({ status: statusCode, message: statusMessage, headers: rawHeaders }, answer);
  });
  // Nobody asked for a 101: what follows it is no HTTP.
  outgoing.once('upgrade', (_answer, socket) => {
    socket.destroy();
    listener.onFailure(new Error('it switched protocols unasked'));
  });
  outgoing.once('error', (error) => listener.onFailure(error));
  outgoing.once('close', () => listener.onClose());
  return {
    body: outgoing,
    get reused() {
      return outgoing.reusedSocket;
    },
    end(trailers) {
      if (trailers.length > 0) outgoing.addTrailers(trailers);
      outgoing.end();
    },
    destroy: () => outgoing.destroy(),
  };
}
