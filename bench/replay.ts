import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';
import { OwnEngine } from '../test/engine/fixtures/own-engine.ts';
import { GitRepository } from '../test/unit/fixtures/git-repository.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { ByHand, type DockerCli, dockerFor } from './by-hand.ts';
import { seeded } from '../test/unit/fixtures/numbers.ts';
import { generateHistory, SHAPE, shuffled } from './history.ts';
import { quantile } from './rounds.ts';
import { Served } from './served.ts';
import { timed } from './timed.ts';

const COMMITS = 200;
/** Of these so many are visited, all where nothing else is said; fewer share fewer recipes. */
const VISITED = Number(process.env['POOL_BENCH_VISITS'] ?? COMMITS);
const SEED = 2014;
/** Of the time that it takes by hand. */
const MOST = 0.5;
/** A clone of a public application, to be replayed as well. */
const GIVEN = process.env['POOL_BENCH_REPOSITORY'];

/** Ms of each visit, and how many of pool's were built. */
interface Replayed {
  hand: number[];
  pool: number[];
  built: number;
  /** Commits that neither could show; they count for nobody. */
  broken: number;
}

/** A real history in random order, each commit visited once. */
export const replay: Benchmark = {
  name: 'replay',
  title: 'A replay of two hundred commits',
  async run({ quick }: BenchOptions): Promise<Section> {
    const what = `replay of ${COMMITS} commits of a real history, total time`;
    const must = `at most ${MOST} of by hand`;
    if (GIVEN === undefined) {
      const got = 'not measured: POOL_BENCH_REPOSITORY names none';
      return { ...TOLD, tables: [], goals: [{ what, must, got }], contestants: [] };
    }
    const cli = await anyDocker();
    const replayed = await visitAll(GIVEN, lastOf(GIVEN, quick ? 6 : COMMITS), cli);
    const ratio = sum(replayed.pool) / sum(replayed.hand);
    return {
      ...TOLD,
      how: `The last ${COMMITS} commits of ${process.env['POOL_BENCH_NAME'] ?? basename(GIVEN)}. ${TOLD.how}`,
      tables: [{ header: HEADER, rows: rowsOf(replayed) }],
      goals: [{ what, must, got: ratio.toFixed(2), reached: ratio <= MOST }],
      contestants: [`docker CLI ${cli.version} (${cli.builder})`],
    };
  },
};

/** The same of a history that a seed makes, for those who have none at hand. */
export const replayGenerated: Benchmark = {
  name: 'replay-generated',
  title: 'A replay of a history of average shape',
  async run({ quick }: BenchOptions): Promise<Section> {
    const cli = await anyDocker();
    using remote = new GitRepository();
    const commits = await generateHistory(remote, quick ? 6 : COMMITS, seeded(SEED));
    const replayed = await visitAll(remote.path, commits, cli);
    const ratio = (sum(replayed.pool) / sum(replayed.hand)).toFixed(2);
    const { sameTree, leftOut } = SHAPE;
    return {
      ...TOLD,
      how: `A history with the average shape of ten public applications' last ${COMMITS} commits
(\`bench/history.ts\`): ${sameTree * 100} % have the tree of an earlier commit, ${leftOut * 100} % more change only what
\`.dockerignore\` leaves out. Its build keeps a core busy for half a second. ${TOLD.how}`,
      tables: [{ header: HEADER, rows: rowsOf(replayed) }],
      goals: [
        {
          what: `replay of ${COMMITS} generated commits of average shape, total time`,
          must: 'printed',
          got: `${ratio} of by hand`,
        },
      ],
      contestants: [`docker CLI ${cli.version} (${cli.builder})`],
    };
  },
};

const HEADER = ['', 'total, s', 'median, ms', 'p95, ms', 'without a build'];

const TOLD = {
  how: `In random order (seed ${SEED}) ${VISITED < COMMITS ? `${VISITED} of them are` : 'each commit is'} visited once through pool and once by hand, in turns;
a preview is stopped before the next visit. Commits that neither can build or start are left out. Each of the two has an engine of its own, in which nothing
is cached at first but base images.`,
  notSaid: `How many commits need no build is a property of the history and of its \`.dockerignore\`: 3 to
34 % in nine of ten public applications, 66 % in docker-http-https-echo, whose \`.dockerignore\` lets in
just the files that it runs with. \`docker build -\` takes the tar of \`git archive\` as it is and honours no
\`.dockerignore\`; \`docker build .\` in a checkout would. Where registries cannot be reached, stand-ins
take the place of base images: busybox with Node 14 to 22, npm and openssl in it; npm's packages come from
its registry.`,
};

async function anyDocker(): Promise<DockerCli> {
  const cli = (await dockerFor('buildkit')) ?? (await dockerFor('classic'));
  if (cli === undefined) throw new Error('there is no docker on PATH');
  return cli;
}

/** The newest commits that have a Dockerfile at their top. */
function lastOf(repository: string, count: number): string[] {
  const options = { encoding: 'utf8', cwd: repository } as const;
  const log = execFileSync('git', ['log', `--max-count=${4 * count}`, '--format=%H'], options);
  const commits = log.trim().split('\n');
  const has = (commit: string) =>
    execFileSync('git', ['ls-tree', '--name-only', commit, 'Dockerfile'], options) !== '';
  return commits.filter(has).slice(0, count);
}

async function visitAll(
  remote: string,
  commits: readonly string[],
  cli: DockerCli,
): Promise<Replayed> {
  // Two, so that neither finds what the other built.
  await using ours = await engineFor(remote, commits);
  await using theirs = await engineFor(remote, commits);
  using hands = await ByHand.open({ ...cli, host: theirs.host }, remote);
  await using pool = await Served.open(remote, { builder: cli.builder, engine: ours.host });
  const replayed: Replayed = { hand: [], pool: [], built: 0, broken: 0 };
  for (const [index, commit] of shuffled(commits, seeded(SEED)).slice(0, VISITED).entries()) {
    const byHand = async () => await attempt(hands.visit(commit));
    const before = index % 2 === 0 ? await byHand() : undefined;
    const ms = await attempt(pool.visit(commit));
    const built = ms instanceof Error || (await pool.wasBuilt(commit));
    await pool.stop(commit);
    const hand = before ?? (await byHand());
    if (ms instanceof Error && hand instanceof Error) {
      replayed.broken += 1;
      continue;
    }
    if (ms instanceof Error) throw ms;
    if (hand instanceof Error) throw hand;
    replayed.hand.push(hand);
    replayed.pool.push(ms);
    if (built) replayed.built += 1;
  }
  return replayed;
}

/** What failed instead of its time: a history has commits that nobody can build. */
async function attempt(visit: Promise<number>): Promise<number | Error> {
  return await visit.catch((error: unknown) => error as Error);
}

/** An engine with the base images of these commits, as far as the usual one has them. */
async function engineFor(remote: string, commits: readonly string[]): Promise<OwnEngine> {
  const engine = await OwnEngine.start();
  const dockerfiles = commits.map((commit) =>
    execFileSync('git', ['show', `${commit}:Dockerfile`], { cwd: remote, encoding: 'utf8' }),
  );
  const bases = dockerfiles.join('\n').matchAll(/^FROM\s+(?:--\S+\s+)*(\S+)/gim);
  for (const base of new Set([...bases].map(([, name = '']) => name))) {
    const copy = 'docker save "$1" | docker --host "$2" load';
    await timed('sh', ['-c', copy, 'copy', base, engine.host]).catch(() => undefined);
  }
  return engine;
}

const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);

function rowsOf({ hand, pool, built, broken }: Replayed): string[][] {
  const share = `${(100 * (1 - built / pool.length)).toFixed(0)} % of ${pool.length}; ${broken} left out`;
  return [
    ['by hand', ...cellsOf(hand), ''],
    ['pool', ...cellsOf(pool), share],
  ];
}

function cellsOf(values: readonly number[]): string[] {
  const sorted = values.toSorted((a, b) => a - b);
  const [middle, high] = [quantile(sorted, 0.5), quantile(sorted, 0.95)];
  return [(sum(values) / 1000).toFixed(0), middle.toFixed(0), high.toFixed(0)];
}
