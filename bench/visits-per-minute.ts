import { page } from '../test/engine/fixtures/applications.ts';
import { GitRepository } from '../test/unit/fixtures/git-repository.ts';
import type { Benchmark, BenchOptions, Goal, Section } from './benchmark.ts';
import { get } from './first-byte.ts';
import { Served } from './served.ts';

const KNOWN = { visits: 100, goal: 300 };
const BUILT = { visits: 40, goal: 40 };
const VISITORS = 4;
const MINUTE_MS = 60_000;

/** How many commits a minute become visible for the first time. */
export const visitsPerMinute: Benchmark = {
  name: 'visits-per-minute',
  title: 'First visits per minute',
  async run({ quick }: BenchOptions): Promise<Section> {
    const known = await measure(quick ? 4 : KNOWN.visits, false);
    const built = await measure(quick ? 4 : BUILT.visits, true);
    return {
      how: `${VISITORS} visitors at a time, each of whom visits the next commit when the one before has
answered; nothing is stopped meanwhile, so that the last finds as many previews running as there were
visits. With known recipes each commit has the files of one that was built; built ones change one
copied file. Default settings: one build at a time.`,
      tables: [
        {
          header: ['commits', 'visits', 'seconds', 'visits per minute'],
          rows: [rowOf('with known recipes', known.result), rowOf('built', built.result)],
        },
      ],
      goals: [
        goalOf('with known recipes', known.result, KNOWN.goal),
        goalOf('built', built.result, BUILT.goal),
      ],
      notSaid: `A build that does more than copy files takes its own time, and only it. One container
that serves files needs next to no memory; how many previews a machine holds is a matter of theirs.`,
      contestants: [`Docker ${known.engine}`],
    };
  },
};

interface Measured {
  visits: number;
  ms: number;
  perMinute: number;
}

async function measure(
  visits: number,
  build: boolean,
): Promise<{ result: Measured; engine: string }> {
  using remote = new GitRepository();
  const first = await remote.commit(page(`visits ${Date.now()}`));
  const commits: string[] = [];
  for (let left = visits; left > 0; left--) {
    commits.push(await remote.commit(build ? { 'index.html': `visit ${left}\n` } : {}));
  }
  await using pool = await Served.open(remote.path);
  await get(pool.port, { host: pool.host(first) });
  const begun = performance.now();
  const visitor = async () => {
    for (let commit = commits.shift(); commit !== undefined; commit = commits.shift()) {
      const { status } = await get(pool.port, { host: pool.host(commit) });
      if (status !== 200) throw new Error(`${commit} answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: VISITORS }, visitor));
  const ms = performance.now() - begun;
  return {
    result: { visits, ms, perMinute: (visits / ms) * MINUTE_MS },
    engine: pool.engine.version,
  };
}

function rowOf(what: string, { visits, ms, perMinute }: Measured): string[] {
  return [what, String(visits), (ms / 1000).toFixed(1), perMinute.toFixed(0)];
}

function goalOf(what: string, { perMinute }: Measured, goal: number): Goal {
  return {
    what: `first visits per minute, ${what}`,
    must: `${goal}, printed`,
    got: perMinute.toFixed(0),
    reached: perMinute >= goal,
  };
}
