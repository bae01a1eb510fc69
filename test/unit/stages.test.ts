import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { toRepositoryName } from '../../src/address/label.ts';
import { SubmoduleMirrors } from '../../src/mirror/submodule-mirrors.ts';
import { bindStages, type StageParts } from '../../src/stages.ts';
import { COMMIT } from './fixtures/fake-control.ts';
import { fakeEngine } from './fixtures/fake-engine.ts';
import { GitRepository, TemporaryFolder } from './fixtures/git-repository.ts';
import { NEVER } from './fixtures/until.ts';

const repository = toRepositoryName('shop') ?? expect.fail();

it('a rebuild that the engine refuses leaves no context half-read', async () => {
  await using fake = await fakeEngine((_, response) => response.writeHead(500).end());
  const { engine } = fake;
  const config = { buildTimeoutMs: 1000 };
  const stages = bindStages({ engine, instance: 'test', config } as StageParts);
  const stream = new PassThrough();
  const context = { stream, dockerfile: 'Dockerfile', target: undefined, args: {} };
  const recipe = { digest: 'd'.repeat(64), base: undefined, asksForCommit: false, notes: [] };
  const listener = { lines: () => {}, progress: () => {} };
  const wanted = { repository, commit: COMMIT };
  const built = stages.buildImage(wanted, recipe, context, { pull: false }, listener, NEVER);
  await expect(built).rejects.toThrow(Error);
  expect(stream.destroyed).toBe(true);
});

it('a submodule whose remote hangs holds up those who need it, and nobody else', async () => {
  await using fake = await fakeEngine((_, response) => response.end());
  using git = new GitRepository();
  using folder = new TemporaryFolder();
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/lib`;
  const good = await git.commit({ Dockerfile: 'FROM scratch\n' });
  await git.commit({ '.gitmodules': `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n` });
  git.git(['update-index', '--add', '--cacheinfo', `160000,${good},lib`]);
  git.git(['commit', '--quiet', '--message', 'Library']);

  const closing = new AbortController();
  const ours = { repository: { name: repository, url: git.path }, folder: git.gitDir };
  const stages = bindStages({
    engine: fake.engine,
    submoduleMirrors: new SubmoduleMirrors(folder.path, closing.signal),
    servedOf: () => ({ mirror: ours, settings: { submodules: [url], lfs: false }, refs: [] }),
  } as unknown as StageParts);
  const waiting = Array.from({ length: 8 }, async () => {
    const wanted = { repository, commit: git.id('HEAD') };
    await expect(stages.readRecipe(wanted, {}, closing.signal)).rejects.toThrow(/abort/);
  });
  await once(silent, 'connection');
  const recipe = await stages.readRecipe({ repository, commit: good }, {}, NEVER);
  expect(recipe.digest).toHaveLength(64);
  closing.abort();
  await Promise.all(waiting);
  silent.close();
});
