import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import { freePort } from '../test/probes/peers.ts';
import type { BenchOptions, Benchmark, Section } from './benchmark.ts';
import { cost } from './closed-loop.ts';
import { type Name, NAMES, startAll, versions } from './contestants.ts';
import { spreadText } from './report.ts';
import { alternating, eachOf, ratios, spreadOf } from './rounds.ts';
import { fastApplication } from './upstream.ts';

/** As a part of http-proxy's. */
const MOST = 0.6;

/** What a request costs when nothing but the proxy is to be paid. */
export const warmCpu: Benchmark = {
  name: 'warm-cpu',
  title: 'CPU per warm request',
  run,
};

async function run({ quick }: BenchOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(new TemporaryFolder());
  const applicationPort = await freePort();
  stack.use(await fastApplication(folder, applicationPort));
  const running = await startAll(folder, applicationPort, stack);
  const seconds = quick ? 1 : 4;
  const rounds = quick ? 1 : 9;
  for (const name of NAMES) await cost(running[name], seconds);
  const costs = await alternating(
    rounds,
    eachOf(NAMES, (name) => cost(running[name], seconds)),
  );
  const cpu = (name: Name) => costs[name].map(({ cpuPerRequest }) => cpuPerRequest);
  const ratio = (name: Name) => spreadOf(ratios(cpu('pool'), cpu(name)));
  const rows = NAMES.map((name) => [
    name,
    spreadText(spreadOf(cpu(name)), 1),
    name === 'pool' ? '' : spreadText(ratio(name), 2),
    spreadText(spreadOf(costs[name].map(({ perSecond }) => perSecond)), 0),
  ]);
  const got = ratio('http-proxy');
  const others = (['nginx', 'HAProxy', 'Caddy'] as const).map((name) => ({
    what: `CPU per warm request to ${name}'s`,
    must: 'printed',
    got: spreadText(ratio(name), 2),
  }));
  return {
    how: `64 kept connections ask as fast as they are answered: a browser's ten headers, 1 KB answers with eight. All proxies set \`X-Forwarded-*\` (Caddy no \`Forwarded\`), keep connections to the application, a bare nginx, and have core 0 to themselves; load and application share core 1. pool is its own front with one route published, and what \`pool serve\` runs for each request. ${rounds} rounds of ${seconds} s by turns.`,
    tables: [
      {
        header: ['proxy', 'CPU per request, µs', "pool's to it", 'requests/s on one core'],
        rows,
      },
    ],
    goals: [
      {
        what: "CPU per warm request to http-proxy's",
        must: `at most ${MOST}`,
        got: spreadText(got, 2),
        reached: got.median <= MOST,
      },
      ...others,
    ],
    notSaid:
      'What a request costs at a tenth of that load is more for everybody: a busy process is woken for several at once. nginx and HAProxy would use more cores where there are more; Node and pool use one. GET alone: a body costs what its bytes do.',
    contestants: await versions(),
  };
}
