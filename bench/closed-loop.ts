import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import { CORE, cpuMs, Pinned } from './process.ts';

/** The Host of the first route of a front of ours: the SHA-1 of "0". */
export const HOST = 'b6589fc6ab0dc82cf12099d1c2d40ab994e8410c.pool.localhost';

/** What a browser sends with each request for a part of a page. */
const BROWSER = [
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

/** Whom to ask, and whose CPU it costs; the whole machine's where that is nobody. */
export interface Asked {
  address?: string;
  port: number;
  pid?: number;
}

/**
 * Asks a port for `seconds` over 64 kept connections, as fast as it answers; the CPU is that of
 * `pid` and its descendants. Each request is for the next of `hosts`.
 */
export async function cost(
  { address = '127.0.0.1', port, pid }: Asked,
  seconds: number,
  hosts: readonly string[] = [HOST],
): Promise<Cost> {
  using folder = new TemporaryFolder();
  const script = join(folder.path, 'requests.lua');
  writeFileSync(script, walk(hosts));
  const load = ['-t1', '-c64', `-d${seconds}s`, '-s', script, `http://${address}:${port}/`];
  const before = cpuMs(pid);
  await using wrk = new Pinned(CORE.beside, ['wrk', ...load]);
  const printed = await wrk.output();
  const used = cpuMs(pid) - before;
  const [, requests, took] = /(\d+) requests in ([\d.]+)s/.exec(printed)?.map(Number) ?? [];
  if (requests === undefined || took === undefined || /Non-2xx|Socket errors/.test(printed)) {
    throw new Error(`wrk did not end well:\n${printed}`);
  }
  return { requests, perSecond: requests / took, cpuPerRequest: (used * 1000) / requests };
}

/** A script of wrk's that asks one host after the other, round and round. */
function walk(hosts: readonly string[]): string {
  const lines = (host: string) => ['GET / HTTP/1.1', `Host: ${host}`, ...BROWSER, '', ''];
  const requests = hosts.map((host) => JSON.stringify(lines(host).join('\r\n')));
  return `local requests = {${requests.join(',\n')}}
local at = 0
request = function()
  at = at % #requests + 1
  return requests[at]
end
`;
}
