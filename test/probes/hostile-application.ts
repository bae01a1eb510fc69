import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createSideChannel, type IncomingMessage } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

// Runs alone in a container. Without a word of node:http on the visitors' side it can misbehave
// byte by byte, and keeps the bytes that it got. What it does to a request is a play: the probe
// writes it over the side channel, and the request names it in X-Probe.

/** One thing that is done to a request: bytes to send (Latin-1), or an act. */
export type Step =
  | string
  | { do: 'wait'; ms: number }
  /** Waits until the probe says "go". */
  | { do: 'gate' }
  /** Waits until the request's body is here. */
  | { do: 'body' }
  /** Sends so many bytes of `PATTERN`, as fast as they are taken. */
  | { do: 'flood'; bytes: number }
  /** Sends back whatever comes, until the end. */
  | { do: 'echo' }
  /** Reads nothing any more, for so long. */
  | { do: 'deafness'; ms: number }
  /** Never goes on. */
  | { do: 'silence' }
  | { do: 'close' };

/** What is done on a new connection, and, where that differs, on one that served before. */
export interface Play {
  fresh: readonly Step[];
  reused?: readonly Step[];
}

/** A request as its bytes came; texts are Latin-1. */
export interface SeenRequest {
  connection: number;
  /** How many requests the connection had served before. */
  nth: number;
  /** Request line and headers, without the empty line. */
  head: string;
  /** The first part of the body without its chunks, then its true length and its digest. */
  body: string;
  bodyBytes: number;
  sha1: string;
  trailers: string[];
  /** The lines that announced chunks, without the line feed alone. */
  chunkLines: string[];
  /** The body came to its end. */
  complete: boolean;
  /** What came after it as "echo" met it. */
  echoed: string;
  /** Bytes of the answer that were taken from it so far. */
  sent: number;
  /** Bytes that are here and nobody has read. */
  waiting: number;
}

/** Everything known of a play. */
export interface Seen {
  requests: SeenRequest[];
  /** The connections of these requests that are open still. */
  open: number;
}

/** The same in numbers. */
export interface Counts {
  asked: number;
  open: number;
}

const PORT = 3000;
const SIDE_CHANNEL_PORT = 3001;
const KEPT_BODY_BYTES = 65_536;
const PATTERN = Buffer.from(Uint8Array.from({ length: 65_536 }, (_, index) => index % 251));
const WELCOME: readonly Step[] = ['HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhostile'];

const NOTHING = { body: '', bodyBytes: 0, sha1: '', complete: false, echoed: '', sent: 0 };

const plays = new Map<string, Play & { requests: SeenRequest[]; permits: number }>();
const open = new Set<number>();
let count = 0;

/** What a connection brought and nobody has read yet. */
class Reader {
  buffer: Buffer = Buffer.alloc(0);
  over = false;
  #wake = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    const stir = () => {
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    };
    const end = () => {
      this.over = true;
      stir();
    };
    socket.on('data', (bytes: Buffer) => {
      this.buffer = this.buffer.length === 0 ? bytes : Buffer.concat([this.buffer, bytes]);
      stir();
    });
    socket.once('end', end).once('close', end).on('error', end);
  }

  /** Takes what `find` sees in the buffer; nothing where the connection ends before. */
  async take<T>(find: (buffer: Buffer) => { taken: T; bytes: number } | undefined) {
    for (;;) {
      const found = this.buffer.length === 0 ? undefined : find(this.buffer);
      if (found !== undefined) {
        this.buffer = this.buffer.subarray(found.bytes);
        return found.taken;
      }
      if (this.over) return undefined;
      await this.#wake.promise;
    }
  }

  async some(limit: number): Promise<Buffer | undefined> {
    return await this.take((buffer) => {
      const taken = buffer.subarray(0, limit);
      return { taken, bytes: taken.length };
    });
  }

  /** Up to a line feed, which is taken away; a carriage return is not. */
  async line(): Promise<string | undefined> {
    return await this.take((buffer) => {
      const end = buffer.indexOf('\n');
      if (end === -1) return undefined;
      return { taken: buffer.toString('latin1', 0, end), bytes: end + 1 };
    });
  }

  async head(): Promise<string | undefined> {
    return await this.take((buffer) => {
      const all = buffer.toString('latin1');
      const end = /\r?\n\r?\n/.exec(all);
      return end === null
        ? undefined
        : { taken: all.slice(0, end.index), bytes: end.index + end[0].length };
    });
  }

  async ended(): Promise<void> {
    while (!this.over) await this.#wake.promise;
  }
}

async function readBody(reader: Reader, request: SeenRequest): Promise<void> {
  const digest = createHash('sha1');
  const take = async (bytes: number): Promise<boolean> => {
    for (let left = bytes; left > 0;) {
      const part = await reader.some(left);
      if (part === undefined) return false;
      left -= part.length;
      digest.update(part);
      request.bodyBytes += part.length;
      if (request.body.length < KEPT_BODY_BYTES) request.body += part.toString('latin1');
    }
    return true;
  };
  const field = (name: string) => new RegExp(`^${name}[ \t]*:[ \t]*(.*)$`, 'im').exec(request.head);
  const chunked = /chunked/i.test(field('transfer-encoding')?.[1] ?? '');
  request.complete = chunked
    ? await readChunks(reader, request, take)
    : await take(Number.parseInt(field('content-length')?.[1] ?? '0', 10));
  request.sha1 = digest.digest('hex');
}

async function readChunks(
  reader: Reader,
  request: SeenRequest,
  take: (bytes: number) => Promise<boolean>,
): Promise<boolean> {
  for (;;) {
    const line = await reader.line();
    if (line === undefined) return false;
    if (request.chunkLines.length < 100) request.chunkLines.push(line);
    const size = Number.parseInt(line, 16);
    if (!(size > 0)) break;
    if (!(await take(size)) || (await reader.line()) === undefined) return false;
  }
  for (;;) {
    const line = await reader.line();
    if (line === undefined) return false;
    const field = line.replace(/\r$/, '');
    if (field === '') return true;
    request.trailers.push(field);
  }
}

async function send(socket: Socket, bytes: Buffer): Promise<void> {
  if (!socket.destroyed && !socket.write(bytes)) {
    await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
  }
}

/** A request under way. */
interface Scene {
  socket: Socket;
  reader: Reader;
  request: SeenRequest;
  play: (Play & { permits: number }) | undefined;
  /** Resolves when the request's body is here. */
  body: Promise<void>;
}

async function serve(socket: Socket): Promise<void> {
  const connection = (count += 1);
  const reader = new Reader(socket);
  open.add(connection);
  const ended = reader.ended().then(() => open.delete(connection));
  for (let nth = 0; ; nth += 1) {
    const head = await reader.head();
    if (head === undefined) break;
    const play = plays.get(/^x-probe:[ \t]*([\w-]+)/im.exec(head)?.[1] ?? '');
    const request: SeenRequest = {
      connection,
      nth,
      head,
      ...NOTHING,
      trailers: [],
      chunkLines: [],
      get waiting() {
        return reader.buffer.length;
      },
    };
    play?.requests.push(request);
    const scene = { socket, reader, request, play, body: readBody(reader, request) };
    for (const step of (nth > 0 ? play?.reused : undefined) ?? play?.fresh ?? WELCOME) {
      if (reader.over || socket.destroyed) break;
      await Promise.race([act(step, scene), ended]);
    }
    await scene.body;
  }
  socket.destroySoon();
}

async function act(step: Step, { socket, reader, request, play, body }: Scene): Promise<void> {
  if (typeof step === 'string') return await send(socket, Buffer.from(step, 'latin1'));
  switch (step.do) {
    case 'wait':
      return await sleep(step.ms);
    case 'gate':
      return await passGate(play);
    case 'body':
      return await body;
    case 'flood':
      for (let left = step.bytes; left > 0; left -= PATTERN.length) {
        await send(socket, PATTERN.subarray(0, left));
        request.sent = step.bytes - left;
      }
      return;
    case 'echo':
      for (let part; (part = await reader.some(65_536)) !== undefined;) {
        if (request.echoed.length < KEPT_BODY_BYTES) request.echoed += part.toString('latin1');
        await send(socket, part);
      }
      return;
    case 'deafness':
      socket.pause();
      await sleep(step.ms);
      return void socket.resume();
    case 'silence':
      return await reader.ended();
    case 'close':
      socket.destroySoon();
  }
}

async function passGate(play: Scene['play']): Promise<void> {
  if (play === undefined) return;
  for (; play.permits < 1;) await sleep(5);
  play.permits -= 1;
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => void serve(socket));
server.listen(PORT);

/** PUT /<play> writes one, POST says "go", GET tells what was seen; /<play>/counts only how much. */
async function told(url: string, request: IncomingMessage): Promise<Seen | Counts> {
  const [, id = '', part] = url.split('/');
  const play = plays.get(id);
  if (request.method === 'PUT') {
    plays.set(id, { ...(JSON.parse(await text(request)) as Play), requests: [], permits: 0 });
  } else if (request.method === 'POST' && play !== undefined) {
    play.permits += 1;
  }
  const requests = play?.requests ?? [];
  const connections = new Set(requests.map(({ connection }) => connection));
  const still = connections.intersection(open).size;
  return part === 'counts' ? { asked: requests.length, open: still } : { requests, open: still };
}

const sideChannel = createSideChannel((request, response) => {
  void told(request.url ?? '', request).then((seen) => response.end(JSON.stringify(seen)));
});
sideChannel.keepAliveTimeout = 60_000;
sideChannel.listen(SIDE_CHANNEL_PORT);
process.on('SIGTERM', () => process.exit(0));
