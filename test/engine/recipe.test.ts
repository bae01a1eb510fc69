import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse-config.ts';
import { LABEL } from '../../src/engine/labels.ts';
import { openPool } from '../../src/main.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, LABORATORY, node, page } from './fixtures/applications.ts';
import { askPort, TestPool } from './fixtures/test-pool.ts';

describe.each(['buildkit', 'classic'] as const)('with the %s builder', (builder) => {
  test('a revert, and a commit that changes only what is left out, build nothing', async () => {
    using repository = new GitRepository();
    const files = { ...page('As it was', [fresh('true')]), '.dockerignore': 'notes\n' };
    const first = await repository.commit(files);
    const other = await repository.commit(page('Otherwise'));
    const revert = await repository.commit(files);
    const noted = await repository.commit({ 'notes/today.txt': 'a note' });
    await using pool = await TestPool.open([repository.path], { builder });

    for (const commit of [first, other, revert, noted]) {
      const { status, headers, text } = await pool.visit(commit);
      expect([status, headers['x-pool-commit']]).toEqual([200, commit]);
      expect(text).toContain(commit === other ? 'Otherwise' : 'As it was');
    }
    expect(pool.count('building')).toBe(2);
    expect(await pool.containers()).toHaveLength(4);
    // Any commit that has the recipe, where no label tells which was the first.
    const from = expect.stringMatching(
      builder === 'classic' ? `${first}|${revert}` : first,
    ) as string;
    for (const commit of [revert, noted]) {
      const { state } = await pool.state(commit);
      expect(state.build).toMatchObject({ reused: true, how: 'recipe', from });
      expect(state.build?.['base']).toBe('busybox:latest');
    }
    const shown = await pool.visit(noted, { path: '/_pool/', navigation: true });
    expect(shown.text).toMatch(
      new RegExp(
        `Same recipe as (${first.slice(0, 7)}|${revert.slice(0, 7)}), nothing built, [0-9.]+ m?s`,
      ),
    );
  });

  test('commits of one recipe that are visited at once make one build', async () => {
    using repository = new GitRepository();
    const commits = [await repository.commit(page('Shared', [fresh('sleep 1')]))];
    for (let more = 0; more < 3; more++) commits.push(await repository.commit({}));
    await using pool = await TestPool.open([repository.path], { builder, buildConcurrency: 2 });
    const answers = await Promise.all(commits.map(async (commit) => await pool.visit(commit)));
    expect(answers.map(({ headers }) => headers['x-pool-commit'])).toEqual(commits);
    expect(answers.every(({ text }) => text.includes('Shared'))).toBe(true);
    expect(pool.count('building')).toBe(1);
  });

  test("a Dockerfile that writes pool's labels is overruled", async () => {
    using repository = new GitRepository();
    const lies = Object.values(LABEL).map((name) => `LABEL ${name}=lie`);
    const commit = await repository.commit(page('Liar', [fresh('true'), ...lies]));
    const other = await repository.commit({});
    await using pool = await TestPool.open([repository.path], { builder });
    await pool.visit(commit);
    await pool.visit(other);
    const { recipe } = (await pool.state(commit)).state.build ?? {};
    expect((await pool.state(other)).state.build).toMatchObject({
      reused: true,
      how: 'recipe',
      from: commit,
      recipe,
      base: 'busybox:latest',
    });
    const { docker } = pool.engine;
    const image = await docker.getImage(`pool-${pool.instance}/web:${commit}`).inspect();
    // The classic builder would make a step of each label, as slow as copying a file.
    const told = builder === 'classic' ? 'lie' : `${String(recipe)} busybox:latest`;
    expect(image.Config.Labels[LABEL.recipe]).toBe(told);
  });
});

test('an image with the labels of a recipe, but not its name, is not taken', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Honest', [fresh('true')]));
  const again = await repository.commit({});
  await using pool = await TestPool.open([repository.path]);
  await pool.visit(commit);
  const { docker } = pool.engine;
  const name = `pool-${pool.instance}/web:recipe-`;
  const images = await docker.listImages();
  const tag = images.flatMap(({ RepoTags }) => RepoTags ?? []).find((one) => one.startsWith(name));
  await docker.getImage(tag ?? '').remove();
  await pool.visit(again);
  expect(pool.count('building')).toBe(2);
});

test('a container of a shared image knows its own commit and settings', async () => {
  using repository = new GitRepository();
  const first = await repository.commit(node(LABORATORY, [fresh('true'), 'EXPOSE 3000']));
  const other = await repository.commit({ '.pool.yml': 'env: {MOOD: good}\nport: [3000, 4000]\n' });
  await using pool = await TestPool.open([repository.path]);
  await pool.visit(first);
  const { text } = await pool.visit(other, { path: '/environment' });
  expect(JSON.parse(text)).toMatchObject({ POOL_COMMIT: other, MOOD: 'good' });
  expect(pool.count('building')).toBe(1);
  const { endpoint } = (await pool.state(other)).state;
  expect(Object.keys(endpoint?.published ?? {})).toEqual(['3000', '4000']);
});

test('a restart knows of which commit each container of a shared image is, and builds nothing', async () => {
  using repository = new GitRepository();
  using data = new TemporaryFolder();
  const commits = [await repository.commit(node(LABORATORY, [fresh('true'), 'EXPOSE 3000']))];
  for (let more = 0; more < 2; more++) commits.push(await repository.commit({}));
  const [first = '', , third = ''] = commits;
  const repositories = [`web=${repository.path}`];
  const parsed = parseConfig({ repositories, listen: '127.0.0.1:0', dataDir: data.path });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  {
    await using before = await openPool(parsed.config, () => {});
    for (const commit of commits) {
      const asking = { path: '/', method: 'GET', headers: {}, host: `${commit}.${before.site}` };
      (await askPort(Number(before.site.split(':')[1]), asking)).destroy();
    }
  }
  await using pool = await TestPool.open([repository.path], { dataDir: data.path });
  const name = `pool-${pool.instance}-web-${third}`;
  await pool.engine.docker.getContainer(name).remove({ force: true });
  await until('its end is noticed', () => pool.count('cold') > 0, 5000);
  for (const commit of commits) {
    const { headers, text } = await pool.visit(commit, { path: '/environment' });
    expect([headers['x-pool-commit'], JSON.parse(text)]).toMatchObject([
      commit,
      { POOL_COMMIT: commit },
    ]);
  }
  expect(pool.count('building')).toBe(0);
  const { build } = (await pool.state(third)).state;
  expect(build).toMatchObject({ reused: true, how: 'recipe', from: first });
});

test('what asks for its commit is built for each commit, and the page says what that costs', async () => {
  using repository = new GitRepository();
  const steps = ['ARG POOL_COMMIT', fresh('true'), 'EXPOSE 3000'];
  const commits = [await repository.commit(node(LABORATORY, steps)), await repository.commit({})];
  await using pool = await TestPool.open([repository.path]);
  for (const commit of commits) await pool.visit(commit);
  expect(pool.count('building')).toBe(2);
  const shown = await pool.visit(commits[1] ?? '', { path: '/_pool/', navigation: true });
  expect(shown.text).toContain(
    'ARG POOL_COMMIT in the Dockerfile parts it from every other commit',
  );
});

test('a build for documentation alone names the files, and the line that makes the next one instant', async () => {
  using repository = new GitRepository();
  const Dockerfile = `FROM busybox:latest\n${fresh('true')}\nCOPY . /www\nEXPOSE 3000\nCMD busybox httpd -f -p 3000 -h /www\n`;
  const first = await repository.commit({ Dockerfile });
  const documented = await repository.commit({ 'docs/guide.md': 'one' });
  const ignoring = await repository.commit({ '.dockerignore': 'docs\n' });
  const again = await repository.commit({ 'docs/guide.md': 'two' });
  await using pool = await TestPool.open([repository.path]);
  for (const commit of [first, documented, ignoring, again]) await pool.visit(commit);
  const { build } = (await pool.state(documented)).state;
  expect(build?.['documentation']).toEqual({ files: ['docs/guide.md'], lines: ['docs'] });
  const shown = await pool.visit(documented, { path: '/_pool/', navigation: true });
  expect(shown.text).toContain('this line in .dockerignore makes such commits instant: docs');
  expect((await pool.state(again)).state.build).toMatchObject({ how: 'recipe', from: ignoring });
});
