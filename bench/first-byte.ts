import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** A request of its own connection, to the end of the answer. */
export async function get(
  port: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; firstByteMs: number; text: string }> {
  const begun = performance.now();
  const asking = request({ host: '127.0.0.1', port, headers, agent: false });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  const firstByteMs = performance.now() - begun;
  const text = (await response.setEncoding('utf8').toArray()).join('');
  return { status: response.statusCode ?? 0, firstByteMs, text };
}

/** Asks a port until somebody answers HTTP there. */
export async function untilAnswered(port: number, everyMs: number): Promise<void> {
  while ((await get(port).catch(() => undefined)) === undefined) await sleep(everyMs);
}
