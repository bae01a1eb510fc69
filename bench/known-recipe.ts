import type Docker from 'dockerode';
import { page } from '../test/engine/fixtures/applications.ts';
import { GitRepository } from '../test/unit/fixtures/git-repository.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { get, untilAnswered } from './first-byte.ts';
import { spreadText } from './report.ts';
import { alternating, differences, spreadOf } from './rounds.ts';
import { Served } from './served.ts';

const ROUNDS = 25;
/** What pool may take beside the engine's own work. */
const MORE_MS = 60;
/** As often as pool asks. */
const ASK_EVERY_MS = 25;
const PORT = '3000/tcp';

/** A commit that is visited for the first time, of whose recipe there is an image. */
export const knownRecipe: Benchmark = {
  name: 'known-recipe',
  title: 'The first visit of a commit whose recipe is known',
  async run({ quick }: BenchOptions): Promise<Section> {
    const rounds = quick ? 2 : ROUNDS;
    using remote = new GitRepository();
    const built = await remote.commit(page('known'));
    const commits: string[] = [];
    // A revert, a merge that changes nothing: a commit with the files of an earlier one.
    for (let left = rounds; left > 0; left--) commits.push(await remote.commit({}));
    await using pool = await Served.open(remote.path);
    await pool.visit(built);
    const { docker } = pool.engine;
    const image = `pool-${pool.instance}/web:${built}`;
    const results = await alternating(rounds, {
      plain: async () => await startAndAsk(docker, { Image: image, HostConfig: published({}) }),
      alike: async () => await startAndAsk(docker, await settingsOf(docker, pool, built)),
      pool: async (round) => {
        const commit = commits[round] ?? '';
        const { status, firstByteMs } = await get(pool.port, { host: pool.host(commit) });
        if (status !== 200) throw new Error(`${commit} answered ${status}`);
        await pool.stop(commit);
        return firstByteMs;
      },
    });
    const plain = spreadOf(differences(results.pool, results.plain));
    const alike = spreadOf(differences(results.pool, results.alike));
    const must = `at most ${MORE_MS} ms`;
    return {
      how: `A commit that was never visited, with the files of one that was: pool finds the image by
its recipe, and starts it. Beside that the engine's own create and start of the same image over its
API, to the first HTTP answer, asked every ${ASK_EVERY_MS} ms as pool does: with a container as plain as
\`docker run -P\` makes it, and with one of just the settings that pool's gets (its network, limits,
capabilities). ${ROUNDS} rounds in turns; ms to the first byte.`,
      tables: [
        {
          header: ['', 'first byte', 'pool is later by'],
          rows: [
            [
              'engine, a plain container',
              spreadText(spreadOf(results.plain), 0),
              spreadText(plain, 0),
            ],
            [
              "engine, pool's settings",
              spreadText(spreadOf(results.alike), 0),
              spreadText(alike, 0),
            ],
            ['pool', spreadText(spreadOf(results.pool), 0), ''],
          ],
        },
      ],
      goals: [
        {
          what: "first byte of a known recipe, beside the engine's own start of the same container",
          must,
          got: `${alike.median.toFixed(0)} ms`,
          reached: alike.median <= MORE_MS,
        },
        {
          what: 'the same, beside the start of a plain container',
          must,
          got: `${plain.median.toFixed(0)} ms`,
          reached: plain.median <= MORE_MS,
        },
      ],
      notSaid: `The image is two megabytes and answers at once; one that takes a second to listen
takes it in all three. The visitor is a script: a browser is held for 400 ms, and is shown the
waiting page if the start takes longer. How long a container takes is the kernel's and the engine's.
The engine is that of \`docker/engine.sh\`, which keeps containers apart on its own network. One that does not
gives a name server to each container on pool's: some 40 ms more than a plain container takes there.`,
      contestants: [`Docker ${pool.engine.version}`],
    };
  },
};

/** Ms from the question for a container to its application's first answer. */
async function startAndAsk(
  docker: Docker,
  settings: Docker.ContainerCreateOptions,
): Promise<number> {
  const begun = performance.now();
  const container = await docker.createContainer(settings);
  await container.start();
  const { NetworkSettings } = await container.inspect();
  await untilAnswered(Number(NetworkSettings.Ports[PORT]?.[0]?.HostPort), ASK_EVERY_MS);
  const ms = performance.now() - begun;
  await container.remove({ force: true, v: true });
  return ms;
}

function published(config: Docker.HostConfig): Docker.HostConfig {
  return { ...config, PortBindings: { [PORT]: [{ HostIp: '127.0.0.1', HostPort: '0' }] } };
}

/** What pool gave to the container of a commit, on another host port. */
async function settingsOf(
  docker: Docker,
  { instance }: Served,
  commit: string,
): Promise<Docker.ContainerCreateOptions> {
  const { Config, HostConfig } = await docker
    .getContainer(`pool-${instance}-web-${commit}`)
    .inspect();
  const { Image, Env, ExposedPorts } = Config;
  return { Image, Env, ExposedPorts, HostConfig: published(HostConfig) };
}
