import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import { freePort } from '../test/probes/peers.ts';
import type { BenchOptions, Benchmark, Section } from './benchmark.ts';
import { HOST } from './closed-loop.ts';
import { type Name, NAMES, startAll, versions } from './contestants.ts';
import { servePreview } from './preview.ts';
import { CORE, pin } from './process.ts';
import { type Waits, waits } from './waits.ts';
import { spreadText } from './report.ts';
import { alternating, differences, eachOf, spreadOf } from './rounds.ts';
import { fastApplication } from './upstream.ts';

/** More than nginx, in ms. */
const ALLOWED = 0.2;

/** How long a visitor of a ready preview waits for nothing but the proxy. */
export const warmLatency: Benchmark = {
  name: 'warm-latency',
  title: 'A warm request, 2,000 times a second',
  run,
};

async function run({ quick }: BenchOptions): Promise<Section> {
  const rounds = quick ? 1 : 9;
  const seconds = quick ? 1 : 3;
  const bare = await beforeNothing(rounds, seconds);
  const real = await beforeAContainer(rounds, seconds);
  const p50 = (name: Name) => bare[name].map((one) => one.p50);
  const more = spreadOf(differences(p50('pool'), p50('nginx')));
  const less = spreadOf(differences(p50('pool'), p50('http-proxy')));
  const added = spreadOf(
    differences(
      real.pool.map((one) => one.p50),
      real.direct.map((one) => one.p50),
    ),
  );
  return {
    how: `2,000 requests a second at a fixed pace, each measured from the moment at which it was due, by a process of its own on core 1; 1 KB answers; every proxy alone on core 0, nothing else busy. First before a bare nginx that shares core 1 with the load, then \`pool serve\` as people run it, before a Node application in a container; there the engine's relay and the application add their own. ${rounds} rounds of ${seconds} s by turns.`,
    tables: [table('before a bare server', bare), table('before a container', real)],
    goals: [
      {
        what: 'warm p50 above nginx',
        must: `at most ${ALLOWED} ms`,
        got: `${spreadText(more, 3)} ms`,
        reached: more.median <= ALLOWED,
      },
      {
        what: 'warm p50 above http-proxy',
        must: 'below 0',
        got: `${spreadText(less, 3)} ms`,
        reached: less.median < 0,
      },
      {
        what: 'warm p50 above a published port',
        must: 'printed',
        got: `${spreadText(added, 3)} ms`,
      },
    ],
    notSaid:
      'Nothing about TLS or a network: all of it is loopback, where a round trip costs what a switch between two processes does. The load naps some 0.1 ms between looks, which is in every figure alike: differences count, not the absolute ones. p99 on two cores of a virtual machine is mostly the machine.',
    contestants: await versions(),
  };
}

async function beforeNothing(rounds: number, seconds: number) {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(new TemporaryFolder());
  const applicationPort = await freePort();
  stack.use(await fastApplication(folder, applicationPort));
  const running = await startAll(folder, applicationPort, stack);
  for (const name of NAMES) await waits(running[name], HOST, seconds);
  return await alternating(
    rounds,
    eachOf(NAMES, (name) => waits(running[name], HOST, seconds)),
  );
}

async function beforeAContainer(rounds: number, seconds: number) {
  await using preview = await servePreview();
  pin(CORE.measured, preview.pid);
  const ask = { direct: preview.hostPort, pool: preview.port };
  const measure = (name: 'direct' | 'pool') => waits({ port: ask[name] }, preview.host, seconds);
  for (const name of ['direct', 'pool'] as const) await measure(name);
  return await alternating(rounds, eachOf(['direct', 'pool'] as const, measure));
}

function table(title: string, measured: Readonly<Record<string, readonly Waits[]>>) {
  const rows = Object.entries(measured).map(([name, results]) => [
    name,
    spreadText(spreadOf(results.map(({ p50 }) => p50)), 3),
    spreadText(spreadOf(results.map(({ p99 }) => p99)), 2),
  ]);
  return { header: [title, 'p50, ms', 'p99, ms'], rows };
}
