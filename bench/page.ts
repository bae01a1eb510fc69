import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../test/engine/fixtures/browser.ts';
import { node } from '../test/engine/fixtures/applications.ts';
import { type Peer, PEERS, startPeer } from '../test/probes/peers.ts';
import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { versions } from './contestants.ts';
import { servePreview } from './preview.ts';
import { cpuMs } from './process.ts';
import { spreadText } from './report.ts';
import { alternating, ratios, spreadOf } from './rounds.ts';

const MODULES = 300;
/** As a part of what the same page takes without pool. */
const MOST = 1.1;

/** So many times each before anything counts: Node compiles what it has seen thousands of times. */
const WARM_UP = 10;

/** What a developer's page of many modules feels like. */
export const page: Benchmark = { name: 'page', title: 'A page of 300 modules in Chromium', run };

/** An unbundled application: each module a request of its own, all named by the first. */
const APPLICATION = node(`
const imports = Array.from({ length: ${MODULES} }, (_, index) => "import './" + index + ".js';");
const main = imports.join('\\n') + '\\nwindow.took = performance.now();';
const filler = '// ' + 'x'.repeat(2000);
const answers = { '/': '<!doctype html><title>modules</title><script type="module" src="/main.js"></script>', '/main.js': main };
require('node:http').createServer((request, response) => {
  const body = answers[request.url] ?? filler;
  const type = request.url === '/' ? 'text/html' : 'text/javascript';
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store', 'content-length': body.length });
  response.end(body);
}).listen(3000);
process.on('SIGTERM', () => process.exit(0));
`);

/** The least that any proxy on Node costs. */
const bytesRelay: Peer = {
  name: 'Node, bytes alone',
  version: { command: ['true'], pattern: /()/ },
  settings: 'two sockets, and no HTTP',
  async prepare(_folder, port, applicationPort) {
    const file = join(import.meta.dirname, 'bytes-relay.ts');
    return [process.execPath, file, String(port), String(applicationPort)];
  },
};

async function run({ quick }: BenchOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const preview = stack.use(await servePreview(APPLICATION));
  const folder = stack.use(new TemporaryFolder()).path;
  const proxies: Record<string, { port: number; pid: number }> = { pool: preview };
  for (const peer of [...PEERS, bytesRelay]) {
    const own = join(folder, peer.name);
    mkdirSync(own);
    proxies[peer.name] = stack.use(await startPeer(peer, own, preview.hostPort));
  }
  // Chromium gives requests up when a network appears, as the container's has just done.
  await sleep(4000);
  const executable = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  const browser = stack.adopt(await launchBrowser(executable), async (one) => await one.close());
  const turn = (port: number, pid?: number) => async () => {
    const before = pid === undefined ? 0 : cpuMs(pid);
    const ms = await load(browser, `http://${preview.host}:${port}/`);
    return { ms, cpu: pid === undefined ? 0 : cpuMs(pid) - before };
  };
  const through = Object.entries(proxies).map(([name, { port, pid }]) => [name, turn(port, pid)]);
  const turns: Record<string, ReturnType<typeof turn>> = {
    direct: turn(preview.hostPort),
    ...Object.fromEntries(through),
  };
  for (let time = 0; time < WARM_UP; time += 1) for (const one of Object.values(turns)) await one();
  const rounds = quick ? 2 : 40;
  const took = await alternating(rounds, turns);
  const msOf = (name: string) => (took[name] ?? []).map(({ ms }) => ms);
  const cpuOf = (name: string) => spreadOf((took[name] ?? []).map(({ cpu }) => cpu)).median;
  const ratio = (name: string) => spreadOf(msOf(name)).median / spreadOf(msOf('direct')).median;
  const row = (name: string) => {
    const [to, cpu] =
      name === 'direct' ? ['', ''] : [ratio(name).toFixed(2), cpuOf(name).toFixed(0)];
    return [name, spreadText(spreadOf(msOf(name)), 0), to, cpu];
  };
  const got = ratio('pool');
  const each = spreadOf(ratios(msOf('pool'), msOf('direct')));
  return {
    how: `Chromium ${browser.version()} loads a page whose first module imports ${MODULES} others, each a request of its own of 2 KB, nothing cached, a new profile each time: from the container's published port, through \`pool serve\`, and through other proxies in its place. Time from the navigation to the last module's run. ${rounds} rounds by turns.`,
    tables: [
      {
        header: ['', 'ms', 'to direct', "the proxy's CPU, ms"],
        rows: Object.keys(turns).map(row),
      },
    ],
    goals: [
      {
        what: 'a page of 300 modules to the same page without pool',
        must: `at most ${MOST.toFixed(2)}`,
        got: `${got.toFixed(2)} (rounds: ${spreadText(each, 2)})`,
        reached: got <= MOST,
      },
      ...[...PEERS, bytesRelay].map(({ name }) => ({
        what: `the same page through ${name}`,
        must: 'printed',
        got: ratio(name).toFixed(2),
      })),
    ],
    notSaid:
      'Browser, proxy, relay and application share two cores, of which the browser needs the most: on more of them a proxy works beside it. A proxy that is asked now and then finds little of its own in the caches, and each proxy, pool as well, uses several times the CPU that a request costs it under load. The ratio is that of the medians. HTTP/1.1 and six connections both ways, as `http://` has it; http-proxy with its agent and `xfwd`. "Bytes alone" is two sockets of Node piped into one another, which is no proxy: it is what one on Node cannot be cheaper than.',
    contestants: [`Chromium ${browser.version()}`, ...(await versions(PEERS))],
  };
}

/** Ms from the navigation to the last module's run. */
async function load(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext();
  const tab = await context.newPage();
  await tab.goto(url);
  await tab.waitForFunction('window.took !== undefined');
  const took = (await tab.evaluate('window.took')) as number;
  await context.close();
  return took;
}
