import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { LABEL, labelFilter } from '../../src/engine/labels.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, LABORATORY, node, page } from './fixtures/applications.ts';
import { sharedPool } from './fixtures/shared-pool.ts';
import { TestPool } from './fixtures/test-pool.ts';

describe.each(['buildkit', 'classic'] as const)('with the %s builder', (builder) => {
  const steps = ['RUN echo a step that seldom changes'];
  const marker = `words-${randomUUID()}`;
  const speaking = [`RUN echo ${marker}-early && sleep 1 && echo ${marker}-late`];
  const shared = sharedPool(
    {
      'First light': page('First light'),
      one: page('One', steps),
      two: page('Two', steps),
      log: page('Log', speaking),
    },
    { builder },
  );

  test('a first visit builds the commit, starts it and shows it; the second makes nothing', async () => {
    const { pool, commits } = shared;
    const commit = commits['First light'];
    const waiting = await pool.visit(commit, { navigation: true });
    expect(waiting.status).toBe(503);
    expect(waiting.headers).toMatchObject({ 'retry-after': '2', 'cache-control': 'no-store' });
    expect(waiting.text).toContain('First light');

    const held = await pool.visit(commit);
    expect(held).toMatchObject({ status: 200, text: expect.stringContaining('First light') });
    expect(held.headers).toMatchObject({ 'x-pool-commit': commit, 'x-robots-tag': 'noindex' });

    const again = await pool.visit(commit, { navigation: true });
    expect(again.text).toContain('First light');
    expect([pool.count('building', commit), pool.count('ready', commit)]).toEqual([1, 1]);
    expect(await pool.containers()).toHaveLength(1);
  });

  test('a commit with one changed file takes the other steps from the cache', async () => {
    const { pool, commits } = shared;
    await pool.visit(commits.one);
    const second = commits.two;
    expect((await pool.visit(second)).text).toContain('Two');
    const { state } = await pool.state(second);
    expect(state.build).toMatchObject({ builder, reused: false });
    expect(state.build?.['cached']).toBeGreaterThanOrEqual(2);
  });

  test('the log tells the steps and what they wrote, live and afterwards', async () => {
    const { pool, commits } = shared;
    const commit = commits.log;
    await pool.visit(commit, { navigation: true });

    const events = await pool.ask(commit, { path: '/_pool/events' });
    let seen = '';
    let early = '';
    for await (const chunk of events) {
      seen += String(chunk);
      if (early === '' && seen.includes(`  ${marker}-early`)) early = seen;
      if (seen.includes('"phase":"ready"')) break;
    }
    expect(early, 'the first words came before the last').not.toContain(`  ${marker}-late`);
    expect(seen).toContain(`  ${marker}-late`);

    const log = await pool.visit(commit, { path: '/_pool/log' });
    expect(log.headers['content-type']).toContain('text/plain');
    expect(log.text).toMatch(/\[2\/\d\] WORKDIR \/www/);
    expect(log.text).toContain(`  ${marker}-late`);
  });
});

test('a branch with a slash, a tag, an abbreviated id and the full id share one preview', async () => {
  using repository = new GitRepository();
  await repository.commit(page('Trunk'));
  repository.git(['switch', '--quiet', '--create', 'feature/Snow_fall']);
  const commit = await repository.commit(page('Snow'));
  repository.git(['tag', 'v1.0-rc.1']);
  await using pool = await TestPool.open([repository.path]);

  const refs = ['feature-snow-fall', 'feature--snow-fall', 'v1-0-rc-1', commit.slice(0, 9), commit];
  for (const ref of refs) {
    const { status, headers, text } = await pool.visit(ref);
    expect([ref, status, headers['x-pool-commit']]).toEqual([ref, 200, commit]);
    expect(text).toContain('Snow');
  }
  expect(pool.count('building')).toBe(1);
  expect((await pool.state('v1-0-rc-1')).rule).toBe('tag v1.0-rc.1');
});

test('a branch that moves is followed, while the old commit keeps its address', async () => {
  using repository = new GitRepository();
  const before = await repository.commit(page('Before'));
  await using pool = await TestPool.open([repository.path], { refreshMs: 300 });
  expect(await pool.visit('main')).toMatchObject({ text: expect.stringContaining('Before') });
  const after = await repository.commit(page('After'));
  await new Promise((resolve) => setTimeout(resolve, 350));
  const moved = await pool.visit('main');
  expect(moved.text).toContain('After');
  expect(moved.headers['x-pool-commit']).toBe(after);
  expect((await pool.visit(before)).text).toContain('Before');
});

test('a preview that runs keeps its address when no branch reaches it any more, and is not started again', async () => {
  using repository = new GitRepository();
  await repository.commit(page('First'));
  const before = await repository.commit(page('Before'));
  await using pool = await TestPool.open([repository.path], { refreshMs: 300 });
  expect((await pool.visit('main')).headers['x-pool-commit']).toBe(before);
  repository.git(['reset', '--quiet', '--hard', 'HEAD~1']);
  const after = await repository.commit(page('After'));
  await new Promise((resolve) => setTimeout(resolve, 350));
  expect((await pool.visit('main')).headers['x-pool-commit']).toBe(after);
  expect((await pool.visit(before)).text).toContain('Before');
  const rebuild = { path: '/_pool/rebuild', method: 'POST' };
  expect((await pool.visit(before, rebuild)).status, 'nor built').toBe(409);
  const filters = labelFilter({ [LABEL.instance]: pool.instance, [LABEL.commit]: before });
  const [container] = await pool.engine.docker.listContainers({ filters });
  await pool.engine.docker.getContainer(container?.Id ?? '').remove({ force: true });
  await until('it is gone', async () => (await pool.visit(before)).status === 404, 5000);
});

test('a commit that was pushed a moment ago is found by a fetch that its visitors share', async () => {
  using repository = new GitRepository();
  await repository.commit(page('Old'));
  await using pool = await TestPool.open([repository.path], { refreshMs: 200 });
  const commit = await repository.commit(page('New'));
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect((await pool.visit(commit)).text).toContain('New');
});

const others = sharedPool({
  laboratory: node(LABORATORY),
  twoPorts: node(
    `const http = require('node:http');
    for (const port of [3000, 4000]) http.createServer((_, response) => response.end('on ' + port)).listen(port);`,
    ['EXPOSE 4000 3000'],
  ),
  mailBox: node(
    `require('node:net').createServer((socket) => socket.write('220 mail')).listen(80);
    require('node:http').createServer((_, response) => response.end('mail box')).listen(1080);`,
    ['EXPOSE 80 1080'],
  ),
});

test('the container knows its commit, its repository and its address, and where to listen', async () => {
  const { pool, commits } = others;
  const commit = commits.laboratory;
  const { text } = await pool.visit(commit, { path: '/environment' });
  expect(JSON.parse(text)).toMatchObject({
    POOL_COMMIT: commit,
    POOL_REPOSITORY: 'web',
    POOL_BASE_DOMAIN: 'pool.localhost',
    POOL_HOSTNAME: `${commit}.pool.localhost`,
    POOL_URL: pool.url(commit),
    PORT: '3000',
  });
});

test('two repositories are told apart by name, and a ref of only one of them needs none', async () => {
  using one = new GitRepository();
  using two = new GitRepository();
  await one.commit(page('From one'));
  await two.commit(page('From two'));
  two.git(['branch', 'only-here']);
  await using pool = await TestPool.open([`one=${one.path}`, `two=${two.path}`]);

  expect((await pool.visit('main---one')).text).toContain('From one');
  expect((await pool.visit('main---two')).text).toContain('From two');
  expect((await pool.visit('main---two---3000')).text).toContain('From two');
  expect((await pool.visit('only-here')).text).toContain('From two');
  const choice = await pool.visit('main', { navigation: true });
  expect(choice.status).toBe(300);
  expect(choice.text).toContain('branch main of one');
  expect((await pool.visit('main---three')).status).toBe(404);
});

test('a port that the container publishes is reached by its number, another is a 404 with the list', async () => {
  const { pool, commits } = others;
  const commit = commits.twoPorts;
  expect((await pool.visit(commit)).text).toBe('on 3000');
  expect((await pool.visit(`${commit}---4000`)).text).toBe('on 4000');
  const other = await pool.visit(`${commit}---5000`);
  expect([other.status, other.text]).toEqual([404, expect.stringContaining('3000, 4000')]);
});

test('where the likeliest of several ports is silent, the one that answers is taken, and said so', async () => {
  const { pool, commits } = others;
  const commit = commits.mailBox;
  expect((await pool.visit(commit)).text).toBe('mail box');
  const { state } = await pool.state(commit);
  expect(state.endpoint?.portRule).toContain('1080 answered HTTP, 80 did not');
});

test('a thousand first visits make one fetch, one build and one container, and all are answered', async () => {
  using repository = new GitRepository();
  await repository.commit(page('Earlier'));
  await using pool = await TestPool.open([repository.path], { refreshMs: 200 });
  const commit = await repository.commit(page('Thousand', [fresh('sleep 1')]));
  await new Promise((resolve) => setTimeout(resolve, 250));
  const { fetches } = pool;

  const visits = Array.from({ length: 1000 }, async (_, index) => {
    // Browsers and scripts mixed; a browser is sent a page at once, and asks once more.
    const navigation = index % 2 === 0;
    const first = await pool.visit(commit, { navigation });
    return first.status === 503 && navigation ? await pool.visit(commit) : first;
  });
  const answers = await Promise.all(visits);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(answers.every(({ text }) => text.includes('Thousand'))).toBe(true);
  expect([pool.count('building'), pool.count('starting'), pool.count('ready')]).toEqual([1, 1, 1]);
  expect(await pool.containers()).toHaveLength(1);
  expect(pool.fetches - fetches).toBe(1);
});
