import { type Application, page } from '../test/engine/fixtures/applications.ts';
import { GitRepository } from '../test/unit/fixtures/git-repository.ts';
import type { Benchmark, BenchOptions, Goal, Section } from './benchmark.ts';
import { type Builder, ByHand, type DockerCli, dockerFor } from './by-hand.ts';
import { spreadText } from './report.ts';
import { alternating, differences, type Spread, spreadOf } from './rounds.ts';
import { Served, untilFetchedAnew } from './served.ts';

const ROUNDS = 15;
const LATE_ROUNDS = 5;
/** What a first visit may cost more than by hand: the larger of the two. */
const MORE = { share: 0.1, ms: 60 };
const SLOW = 'an application that takes 1.5 s to listen';

interface Result {
  hand: Spread;
  pool: Spread;
  difference: Spread;
}

/** A commit that was pushed a moment ago, through pool and by hand. */
export const firstVisit: Benchmark = {
  name: 'first-visit',
  title: 'The first visit of a new commit',
  async run({ quick }: BenchOptions): Promise<Section> {
    const clis = (await Promise.all([dockerFor('buildkit'), dockerFor('classic')])).filter(
      (cli) => cli !== undefined,
    );
    const rows: string[][] = [];
    const goals: Goal[] = [];
    for (const cli of clis) {
      const soon = await compare(cli, page('soon'), quick ? 2 : ROUNDS);
      rows.push(row(cli.builder, 'at once', soon));
      goals.push(goalOf(cli.builder, soon));
      const late = await compare(cli, listeningLate(), quick ? 1 : LATE_ROUNDS);
      rows.push(row(cli.builder, 'after 1.5 s', late));
      const got = `${late.pool.median.toFixed(0)} ms against ${late.hand.median.toFixed(0)} ms`;
      goals.push({ what: `the same, ${SLOW}, ${cli.builder}`, must: 'printed', got });
    }
    const header = ['builder', 'listens', 'by hand', 'pool', 'difference of a round'];
    return {
      how: `Somebody pushes a commit with one changed file, and wants to see it. By hand, one shell
script: \`git fetch\`, \`git archive\`, \`docker build -q -\`, \`docker run -d -P\`, \`docker port\`, and curl
every 20 ms until the application answers (\`bench/by-hand.sh\`). Pool: one curl at the commit's
address, to the end of the application's answer. ${ROUNDS} rounds in turns (${LATE_ROUNDS} of
the slow one), each with two new commits; ms, with the least and the most. The application serves one file out of one changed \`COPY\` layer.`,
      tables: [{ header, rows }],
      goals,
      notSaid: `The remote is a folder of this machine: with a far one both wait for the network, pool
for two questions: side by side over ssh, one after the other over https. By default pool asks a remote every 10 s at most, and a visitor who
comes sooner after a push is told to come back; here it asks every 100 ms. The engine is that of
\`docker/engine.sh\`, which keeps containers apart on its own network; where an engine does not, pool's start
on another network, which takes some 40 ms longer. The engine's CLI takes some 20 ms each time it is started.`,
      contestants: clis.map(({ builder, version }) => `docker CLI ${version} (${builder})`),
    };
  },
};

async function compare(cli: DockerCli, files: Application, rounds: number): Promise<Result> {
  using remote = new GitRepository();
  const first = await remote.commit(files);
  using hands = await ByHand.open(cli, remote.path);
  await using pool = await Served.open(remote.path, { builder: cli.builder });
  // What comes before the changed layer is in the cache of both, and pool has its network.
  await hands.visit(first);
  await pool.visit(first);
  const push = async (who: string, round: number) => {
    const id = `${who} ${round} ${Date.now()}`;
    const commit = await remote.commit({ 'index.html': `<h1>${id}</h1>\n` }, id);
    await untilFetchedAnew();
    return commit;
  };
  const { hand, ours } = await alternating(rounds, {
    hand: async (round) => await hands.visit(await push('by hand', round)),
    ours: async (round) => {
      const commit = await push('pool', round);
      const ms = await pool.visit(commit);
      await pool.stop(commit);
      return ms;
    },
  });
  return {
    hand: spreadOf(hand),
    pool: spreadOf(ours),
    difference: spreadOf(differences(ours, hand)),
  };
}

function listeningLate(): Application {
  const serve = 'busybox sleep 1.5; exec busybox httpd -f -p 3000 -h /www';
  const lines = ['FROM busybox:latest', 'WORKDIR /www', 'COPY index.html .', 'EXPOSE 3000'];
  const command = `CMD ["busybox", "sh", "-c", "${serve}"]\n`;
  return { ...page('late'), Dockerfile: [...lines, command].join('\n') };
}

function row(builder: Builder, listens: string, { hand, pool, difference }: Result): string[] {
  return [builder, listens, ...[hand, pool, difference].map((spread) => spreadText(spread, 0))];
}

function goalOf(builder: Builder, { hand, difference }: Result): Goal {
  const most = Math.max(hand.median * MORE.share, MORE.ms);
  return {
    what: `first visit of a new commit, ${builder}: median of the differences from by hand`,
    must: `at most ${most.toFixed(0)} ms`,
    got: `${difference.median.toFixed(0)} ms`,
    reached: difference.median <= most,
  };
}
