import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CORE, cpuMs, Pinned } from './process.ts';

/** The Host of the first route of a front of ours: the SHA-1 of "0". */
export const HOST = 'b6589fc6ab0dc82cf12099d1c2d40ab994e8410c.pool.localhost';

/** What a browser sends with each request for a part of a page. */
export const BROWSER = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Accept: */*',
  'Accept-Language: en-GB,en;q=0.9',
  'Accept-Encoding: gzip, deflate, br',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: cors',
  'Sec-Fetch-Dest: script',
  'Cookie: session=6f1c2a; theme=dark',
  'Cache-Control: no-cache',
];

/** Requests as fast as they are answered, and what they cost the process that answers. */
export interface Cost {
  requests: number;
  perSecond: number;
  /** CPU of the process, in µs. */
  cpuPerRequest: number;
}

/**
 * Asks a port for `seconds` over 64 kept connections, as fast as it answers; the CPU is that of
 * `pid` and its descendants. `script` is one of wrk's, in Lua.
 */
export async function cost(
  { port, pid }: { port: number; pid: number },
  seconds: number,
  {
    path = '/',
    connections = 64,
    script,
  }: { path?: string; connections?: number; script?: string } = {},
): Promise<Cost> {
  const headers = [`Host: ${HOST}`, ...BROWSER].flatMap((line) => ['-H', line]);
  const lua = script === undefined ? [] : ['-s', script];
  const load = ['-t1', `-c${connections}`, `-d${seconds}s`, ...lua, ...(script ? [] : headers)];
  const before = cpuMs(pid);
  await using wrk = new Pinned(CORE.beside, ['wrk', ...load, `http://127.0.0.1:${port}${path}`]);
  const printed = await wrk.output();
  const used = cpuMs(pid) - before;
  const [, requests, took] = /(\d+) requests in ([\d.]+)s/.exec(printed)?.map(Number) ?? [];
  if (requests === undefined || took === undefined || /Non-2xx|Socket errors/.test(printed)) {
    throw new Error(`wrk did not end well:\n${printed}`);
  }
  return { requests, perSecond: requests / took, cpuPerRequest: (used * 1000) / requests };
}
