import { request } from 'node:http';
import { connect } from 'node:http2';
import type { Endpoint } from './endpoint.ts';

/** A server that accepted a request and is slow with its first answer is given so long. */
const ANSWER_LIMIT_MS = 10_000;
const USER_AGENT = 'pool (is it ready?)';

/** How a question was answered: with any status at all. */
export interface Answered {
  status: number;
  protocol: Endpoint['protocol'];
}

/** Where a published port is dialled. */
export type Published = Pick<Endpoint, 'host'> & { port: number };

/** What a commit says of its application: the path that tells when it is ready, and what it speaks. */
export interface Declared {
  health?: string | undefined;
  protocol?: Endpoint['protocol'] | undefined;
}

/**
 * Asks a published port over HTTP, and where somebody is there who speaks none, over HTTP/2 with
 * prior knowledge; by the protocol that is declared alone, where one is. Resolves to the answer, any
 * at all, or to `undefined`: the engine's relay accepts connections before the application listens,
 * so that only an answer proves that somebody is there.
 */
export async function askHttp(
  at: Published,
  host: string,
  signal: AbortSignal,
  { health: path = '/', protocol }: Declared = {},
): Promise<Answered | undefined> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
  if (protocol === 'h2c') {
    const status = await askH2c(at, host, path, over);
    return status === undefined ? undefined : { status, protocol };
  }
  const first = await askHttp1(at, host, path, over);
  if (typeof first === 'number') return { status: first, protocol: 'http' };
  if (first === 'nobody' || protocol === 'http' || over.aborted) return undefined;
  const status = await askH2c(at, host, path, over);
  if (status === undefined) return undefined;
  // One that speaks both may have begun to listen between the two questions.
  const again = await askHttp1(at, host, path, over);
  if (typeof again === 'number') return { status: again, protocol: 'http' };
  return { status, protocol: 'h2c' };
}

function askHttp1(
  at: Published,
  host: string,
  path: string,
  signal: AbortSignal,
): Promise<number | 'nobody' | 'no HTTP/1.1'> {
  const { promise, resolve } = Promise.withResolvers<number | 'nobody' | 'no HTTP/1.1'>();
  const ask = request({
    ...at,
    path,
    headers: { host, 'user-agent': USER_AGENT, connection: 'close' },
    agent: false,
    signal,
  });
  ask.once('response', (response) => {
    resolve(response.statusCode ?? 'no HTTP/1.1');
    response.destroy();
  });
  ask.once('error', ({ code }: NodeJS.ErrnoException) => {
    resolve(code === 'ECONNREFUSED' ? 'nobody' : 'no HTTP/1.1');
  });
  ask.once('close', () => resolve('no HTTP/1.1'));
  ask.end();
  return promise;
}

function askH2c(
  at: Published,
  host: string,
  path: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const session = connect(`http://${at.host}:${at.port}`, { settings: { enablePush: false } });
  const ask = session.request({ ':path': path, ':authority': host, 'user-agent': USER_AGENT });
  ask.once('response', ({ ':status': status }) => resolve(status));
  session.on('error', () => {});
  // A stream pushed all the same has nobody else to hear its error, which would end pool.
  session.on('stream', (pushed) => pushed.on('error', () => {}).destroy());
  ask.on('error', () => {}).once('close', () => resolve(undefined));
  signal.addEventListener('abort', () => resolve(undefined), { once: true });
  return promise.finally(() => session.destroy());
}
