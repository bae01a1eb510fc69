import type { Writable } from 'node:stream';

/** A request's head as it goes to an upstream; headers are names and values in turn. */
export interface Head {
  method: string;
  path: string;
  headers: string[];
  hasBody: boolean;
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
  /** `followed`: bytes of the body come with it. */
  onAnswer(head: AnswerHead, followed: boolean): void;
  /**
   * Bytes of the body, lent for the time of the call unless it returns true; `last` where it is sure
   * that none follow.
   */
  onData(bytes: Buffer, last: boolean): boolean;
  /** The answer is whole. */
  onEnd(trailers: readonly string[]): void;
  /** No answer comes, or no more of it. */
  onFailure(error: Error): void;
  /** Nothing of the upstream is used any more. */
  onClose(): void;
}

/** A request under way, whatever protocol it goes by. */
export interface Sending {
  /** Where the request's body goes, and then `end`; nowhere where it has none. */
  readonly body: Writable | undefined;
  /** True where it went out on a connection that had lain idle. */
  readonly reused: boolean;
  end(trailers: readonly [name: string, value: string][]): void;
  /** Takes no more of the answer for now. */
  pause(): void;
  resume(): void;
  destroy(): void;
}
