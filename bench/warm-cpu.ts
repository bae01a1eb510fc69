import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import { freePort } from '../test/probes/peers.ts';
import type { BenchOptions, Benchmark, Section } from './benchmark.ts';
import { cost } from './closed-loop.ts';
import { CONTESTANTS, type Name, startAll, versions } from './contestants.ts';
import { spreadText } from './report.ts';
import { alternating, ratios, spreadOf } from './rounds.ts';
import { fastApplication } from './upstream.ts';

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
  const [seconds, rounds] = quick ? [0.2, 1] : [4, 9];
  for (const proxy of Object.values(running)) await cost(proxy, Math.ceil(seconds));
  const names = CONTESTANTS.map(({ name }) => name as Name);
  const turns = names.map((name) => [name, () => cost(running[name], Math.ceil(seconds))] as const);
  const costs = await alternating(
    rounds,
    Object.fromEntries(turns) as never as Record<Name, () => ReturnType<typeof cost>>,
  );
  const cpu = (name: Name) => costs[name].map(({ cpuPerRequest }) => cpuPerRequest);
  const ratio = (name: Name) => spreadOf(ratios(cpu('pool'), cpu(name)));
  const rows = names.map((name) => [
    name,
    spreadText(spreadOf(cpu(name)), 1),
    name === 'pool' ? '' : spreadText(ratio(name), 2),
    spreadText(spreadOf(costs[name].map(({ perSecond }) => perSecond)), 0),
  ]);
  const must = 0.6;
  const got = ratio('http-proxy');
  return {
    how: 'x',
    tables: [
      { header: ['proxy', 'CPU per request, µs', 'pool to it', 'requests/s on one core'], rows },
    ],
    goals: [
      {
        what: 'CPU per warm request to http-proxy',
        must: `at most ${must}`,
        got: spreadText(got, 2),
        reached: got.median <= must,
      },
    ],
    notSaid: 'x',
    contestants: await versions(),
  };
}
