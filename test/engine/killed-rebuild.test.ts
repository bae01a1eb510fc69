import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LABEL } from '../../src/engine/labels.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { seeded } from '../unit/fixtures/numbers.ts';
import { until } from '../unit/fixtures/until.ts';
import { PoolFolder } from './fixtures/pool-folder.ts';
import type { PoolProcess } from './fixtures/pool-process.ts';

/** `npm run kills` asks for more. */
const KILLS = Number(process.env['POOL_KILLS'] ?? 1);
/** Printed, and taken from the environment to see the same blows again. */
const SEED = Number(process.env['POOL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** A rebuild as pool logs it; after that the blow falls within so many ms. What is swapped may be either. */
const POINTS = [
  ['building', /rebuild=.*building/, 400, 'old'],
  ['starting', /rebuild=.*starting/, 400, 'old'],
  ['being swapped', /rebuild=.*starting[^]*phase=ready/, 60, 'either'],
] as const;

/** Its image tells one build from another; it takes a moment to build and to start. */
const application = {
  Dockerfile: [
    'FROM busybox:latest',
    'RUN tr -dc a-f0-9 </dev/urandom | head -c 16 >index.html; sleep 0.3',
    'EXPOSE 3000',
    'CMD sleep 0.3; exec busybox httpd -f -p 3000',
  ].join('\n'),
};

describe(`a rebuild that pool is killed in, ${KILLS} times at each point (POOL_SEED=${SEED})`, () => {
  const undo = new AsyncDisposableStack();
  const random = seeded(SEED);
  let folder: PoolFolder;
  let commit: string;
  let pool: PoolProcess;

  beforeAll(async () => {
    const repository = undo.use(new GitRepository());
    commit = await repository.commit(application);
    folder = undo.use(await PoolFolder.open(repository.path));
    pool = await folder.serve();
    undo.defer(async () => void (await pool.end('SIGKILL')));
    await ask('GET', '/');
  });
  afterAll(async () => await undo.disposeAsync());

  async function ask(method: string, path: string): Promise<string> {
    return (await folder.visit(commit, { method, path })).text;
  }

  /** Containers, images by name, images that are of no use, networks beyond one, and half-written files. */
  async function objects(): Promise<string> {
    const { docker } = folder.engine;
    const label = { label: [`${LABEL.instance}=${folder.instance}`] };
    const containers = await docker.listContainers({ all: true, filters: label });
    const named = await docker.listImages({
      filters: { reference: [`pool-${folder.instance}/*`] },
    });
    const names = named.flatMap(({ RepoTags }) => RepoTags ?? []);
    const kinds = names.map((name) => name.replace(/^.*:/, '').replace(/-.*|[0-9a-f]{40}/, ''));
    const running = new Set(containers.map(({ ImageID }) => ImageID));
    const unused = (await docker.listImages({ filters: label })).filter(
      ({ Id, RepoTags }) =>
        !running.has(Id) && (RepoTags ?? []).every((one) => one === '<none>:<none>'),
    );
    const networks = await docker.listNetworks({ filters: label });
    const files = readdirSync(folder.path, { recursive: true }) as string[];
    const half = files.filter((name) => /\.lock$|tmp_|\.tmp|incoming/.test(name)).length;
    // None where the engine's own keeps containers apart.
    const others = Math.max(0, networks.length - 1);
    return `${containers.length} ${kinds.toSorted().join()} ${unused.length} ${others} ${half}`;
  }

  test.each(POINTS)(
    'while it is %s: the old one serves on, and nothing is left',
    async (_, words, spreadMs, which) => {
      for (let blow = 0; blow < KILLS; blow++) {
        const before = await ask('GET', '/');
        const said = pool.errors.length;
        const begun = async () => (await ask('POST', '/_pool/rebuild?pull=no')) === '';
        await until('a rebuild may begin', begun);
        await until('it is there', () => words.test(pool.errors.slice(said)), 20_000);
        await sleep(random() * spreadMs);
        await pool.end('SIGKILL');
        pool = await folder.serve();
        const after = await ask('GET', '/');
        expect(after).toMatch(which === 'old' ? before : /^[0-9a-f]{16}$/);
        expect(pool.errors).not.toContain('phase=building');
        await until(
          `nothing is left: ${await objects()}`,
          async () => (await objects()) === '1 ,recipe 0 0 0',
          5000,
        );
      }
    },
    600_000,
  );
});
