import { request } from 'node:http';

/** A server that accepted a request and is slow with its first answer is given so long. */
const ANSWER_LIMIT_MS = 10_000;

/**
 * Asks a published port over HTTP. Resolves to the status of the answer, any at all, or to
 * `undefined`: the engine's relay accepts connections before the application listens, so that
 * only an answer proves that somebody is there.
 */
export function askHttp(
  port: number,
  host: string,
  signal: AbortSignal,
  path = '/',
): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const ask = request({
    host: '127.0.0.1',
    port,
    path,
    headers: { host, 'user-agent': 'pool (is it ready?)', connection: 'close' },
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]),
  });
  ask.once('response', (response) => {
    resolve(response.statusCode);
    response.destroy();
  });
  ask.once('error', () => resolve(undefined));
  ask.once('close', () => resolve(undefined));
  ask.end();
  return promise;
}
