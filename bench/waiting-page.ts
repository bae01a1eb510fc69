import { setTimeout as sleep } from 'node:timers/promises';
import { fresh, page } from '../test/engine/fixtures/applications.ts';
import { GitRepository } from '../test/unit/fixtures/git-repository.ts';
import { until } from '../test/unit/fixtures/until.ts';
import type { Benchmark, BenchOptions, Goal, Section } from './benchmark.ts';
import { get } from './first-byte.ts';
import { spreadText } from './report.ts';
import { quantile, spreadOf } from './rounds.ts';
import { Served } from './served.ts';

const CORES = 2;
const VISITS = 60;
const EVERY_MS = 250;
const LIMIT_MS = 100;
/** Keeps a core busy until it is stopped. */
const BURN = 'busybox sh -c "while :; do :; done"';

/** How soon a browser has the waiting page while all cores build. */
export const waitingPage: Benchmark = {
  name: 'waiting-page',
  title: 'The waiting page while the machine builds',
  async run({ quick }: BenchOptions): Promise<Section> {
    const visits = quick ? 5 : VISITS;
    using remote = new GitRepository();
    const building: string[] = [];
    for (let core = 0; core < CORES; core++) {
      building.push(await remote.commit(page(`busy ${core}`, [fresh(BURN)])));
    }
    const fresher: string[] = [];
    for (let left = visits; left > 0; left--) {
      fresher.push(await remote.commit({ 'index.html': `waits ${left}\n` }));
    }
    await using pool = await Served.open(remote.path, { buildConcurrency: CORES });
    const navigate = async (commit: string) => {
      const headers = { 'sec-fetch-mode': 'navigate', accept: 'text/html' };
      const answer = await get(pool.port, { host: pool.host(commit), ...headers });
      if (answer.status !== 503) throw new Error(`${commit} answered ${answer.status}`);
      return answer;
    };
    for (const commit of building) {
      const runs = async () => (await navigate(commit)).text.includes('while :');
      await until(`${commit} keeps a core busy`, runs, 20_000);
    }
    await sleep(1000);
    const [first, again]: [number[], number[]] = [[], []];
    for (const [index, commit] of fresher.entries()) {
      first.push((await navigate(commit)).firstByteMs);
      again.push((await navigate(building[index % CORES] ?? '')).firstByteMs);
      await sleep(EVERY_MS);
    }
    const header = ['visit', 'median, with least and most', 'p95'];
    const rows = [
      row('the first one of a commit', first),
      row('of one that is being built', again),
    ];
    return {
      how: `Two builds that keep a core busy each, \`buildConcurrency: ${CORES}\` on two cores. Meanwhile a
browser's navigation every ${EVERY_MS} ms to a commit that was never visited (looked up, planned, put into
the queue), and one to a commit that is being built. ${VISITS} of each; ms to the first byte of the page.`,
      tables: [{ header, rows }],
      goals: [goalOf('a first visit', first), goalOf('a commit that is being built', again)],
      notSaid: `Builds that also keep the disk busy, or leave no memory, are not in it. A machine with
more cores than \`buildConcurrency\` is quicker. On a commit that was pushed a moment ago a visitor
waits for the fetch as well.`,
      contestants: [`Docker ${pool.engine.version}`],
    };
  },
};

function p95(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.95,
  );
}

function row(visit: string, values: readonly number[]): string[] {
  return [visit, spreadText(spreadOf(values), 1), p95(values).toFixed(1)];
}

function goalOf(visit: string, values: readonly number[]): Goal {
  const what = `waiting page, first byte, both cores busy building, ${visit}: p95`;
  const got = `${p95(values).toFixed(0)} ms`;
  return { what, must: `under ${LIMIT_MS} ms`, got, reached: p95(values) < LIMIT_MS };
}
