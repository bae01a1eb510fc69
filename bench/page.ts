import { setTimeout as sleep } from 'node:timers/promises';
import { launchBrowser } from '../test/engine/fixtures/browser.ts';
import { node } from '../test/engine/fixtures/applications.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { servePreview } from './preview.ts';
import { spreadText } from './report.ts';
import { alternating, ratios, spreadOf } from './rounds.ts';

const MODULES = 300;
/** As a part of what the same page takes without pool. */
const MOST = 1.1;

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

async function run({ quick }: BenchOptions): Promise<Section> {
  await using preview = await servePreview(APPLICATION);
  // Chromium gives requests up when a network appears, as the container's has just done.
  await sleep(4000);
  const executable = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  await using stack = new AsyncDisposableStack();
  const browser = stack.adopt(await launchBrowser(executable), async (one) => await one.close());
  const load = async (url: string) => {
    const context = await browser.newContext();
    const tab = await context.newPage();
    await tab.goto(url);
    await tab.waitForFunction('window.took !== undefined');
    const took = (await tab.evaluate('window.took')) as number;
    await context.close();
    return took;
  };
  const turns = {
    direct: () => load(`http://direct.localhost:${preview.hostPort}/`),
    pool: () => load(`http://${preview.host}:${preview.port}/`),
  };
  for (const turn of Object.values(turns)) for (const _ of [1, 2]) await turn();
  const rounds = quick ? 2 : 25;
  const took = await alternating(rounds, turns);
  const ratio = spreadOf(ratios(took.pool, took.direct));
  const got = spreadOf(took.pool).median / spreadOf(took.direct).median;
  const row = (name: 'direct' | 'pool') => [name, spreadText(spreadOf(took[name]), 0)];
  return {
    how: `Chromium ${browser.version()} loads a page whose first module imports ${MODULES} others, each a request of its own of 2 KB, nothing cached, a new profile each time: from the container's published port, and through \`pool serve\`. Time from the navigation to the last module's run. ${rounds} rounds by turns.`,
    tables: [{ header: ['', 'ms'], rows: [row('direct'), row('pool')] }],
    goals: [
      {
        what: 'a page of 300 modules to the same page without pool',
        must: `at most ${MOST.toFixed(2)}`,
        got: `${got.toFixed(2)} (rounds: ${spreadText(ratio, 2)})`,
        reached: got <= MOST,
      },
    ],
    notSaid:
      'Browser, pool, relay and application share two cores; on more of them pool works beside the browser, which is most of what is measured. The ratio is that of the medians. HTTP/1.1 and six connections both ways, as `http://` has it.',
    contestants: [`Chromium ${browser.version()}`],
  };
}
