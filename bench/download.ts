import { join } from 'node:path';
import { freePort } from '../test/probes/peers.ts';
import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { HOST } from './closed-loop.ts';
import { type Name, NAMES, startAll, versions } from './contestants.ts';
import { CORE, cpuMs, Pinned } from './process.ts';
import { spreadText } from './report.ts';
import { alternating, eachOf, ratios, spreadOf } from './rounds.ts';
import { fastApplication } from './upstream.ts';

const BYTES = 100_000_000;
/** Of nginx's bytes for each second of CPU. */
const LEAST = 0.5;

/** What the bytes of a big answer cost. */
export const download: Benchmark = { name: 'download', title: 'A download of 100 MB', run };

async function run({ quick }: BenchOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(new TemporaryFolder());
  const applicationPort = await freePort();
  stack.use(await fastApplication(folder, applicationPort, { bytes: BYTES }));
  const running = await startAll(folder, applicationPort, stack);
  const rounds = quick ? 1 : 9;
  const times = quick ? 1 : 3;
  const measure = async (name: Name) => await rate(running[name], times);
  for (const name of NAMES) await measure(name);
  const rates = await alternating(rounds, eachOf(NAMES, measure));
  const perCpu = (name: Name) => rates[name].map((one) => one.perCpuSecond);
  const ratio = (name: Name) => spreadOf(ratios(perCpu('pool'), perCpu(name)));
  const rows = NAMES.map((name) => [
    name,
    spreadText(spreadOf(perCpu(name)), 0),
    name === 'pool' ? '' : spreadText(ratio(name), 2),
    spreadText(spreadOf(rates[name].map((one) => one.perSecond)), 0),
  ]);
  const got = ratio('nginx');
  return {
    how: `One client on core 1 takes 100 MB ${times} times in a row from a bare nginx, through each proxy alone on core 0. ${rounds} rounds by turns.`,
    tables: [{ header: ['proxy', 'MB for each second of its CPU', "pool's to it", 'MB/s'], rows }],
    goals: [
      {
        what: "100 MB download, throughput per CPU to nginx's",
        must: `at least ${LEAST}`,
        got: spreadText(got, 2),
        reached: got.median >= LEAST,
      },
    ],
    notSaid:
      'Loopback has no network card and large packets: what is counted is two copies in the kernel and whatever a proxy adds to them. MB/s are bounded by client and application, which share a core.',
    contestants: await versions(),
  };
}

async function rate({ port, pid }: { port: number; pid: number }, times: number) {
  const file = join(import.meta.dirname, 'transfer.ts');
  const args = [port, HOST, 'down', BYTES, 0].map(String);
  const before = cpuMs(pid);
  const begun = performance.now();
  for (let time = 0; time < times; time += 1) {
    await using client = new Pinned(CORE.beside, [process.execPath, file, ...args]);
    await client.output();
  }
  const megabytes = (BYTES * times) / 1_000_000;
  return {
    perCpuSecond: (megabytes / (cpuMs(pid) - before)) * 1000,
    perSecond: (megabytes / (performance.now() - begun)) * 1000,
  };
}
