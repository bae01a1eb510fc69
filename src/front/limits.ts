/** What the front grants to visitors and to applications, in ms, bytes and numbers. */
export const LIMITS = {
  /** Requests that may be held at once: each costs a socket and some 30 KB. */
  held: 10_000,
  /** Cookies and tokens of one site reach 30 KB; Node's own limit of 16 KB would refuse them. */
  headerBytes: 65_536,
  /** A client that needs longer for its headers is broken or hostile. */
  headersMs: 15_000,
  /** No byte of a body for so long: the client has gone without a word, or means harm. */
  bodyIdleMs: 60_000,
  /** Long polls take a minute or two; a container that is paused or hangs takes for ever. */
  answerMs: 300_000,
  /** Longer than browsers keep an idle connection for reuse, so that they close it and not pool. */
  idleMs: 75_000,
  /** Connections to one port of a preview: streams of events and slow answers hold one each. */
  connections: 1024,
  /** Requests that may wait for one of those: as many again, each soon served or refused. */
  waiting: 1024,
  /** Who waited so long for a connection is better off with an answer and a later try. */
  waitingMs: 10_000,
  /** A body whose first bytes take longer than this gets its connection before they are here. */
  firstBytesMs: 250,
};

export type Limits = typeof LIMITS;
