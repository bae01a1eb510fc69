import { rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { until } from '../unit/fixtures/until.ts';
import { fresh, LABORATORY, node, page } from './fixtures/applications.ts';
import { sharedPool } from './fixtures/shared-pool.ts';
import { TestPool } from './fixtures/test-pool.ts';

const FAULTS = {
  'a step that fails': {
    Dockerfile: 'FROM busybox:latest\nRUN echo the words before && exit 3\n',
  },
  'a Dockerfile that does not parse': { Dockerfile: 'FROM busybox:latest\nRUNN true\n' },
  'an empty Dockerfile': { Dockerfile: '' },
  'a file that is not there': { Dockerfile: 'FROM busybox:latest\nCOPY nothing /x\n' },
};

describe.each(['buildkit', 'classic'] as const)('with the %s builder', (builder) => {
  const shared = sharedPool({ ...FAULTS, good: page('Good') }, { builder });

  test.each([
    [
      'a step that fails',
      'build-failed',
      /^The step "RUN echo .*" ended with exit code 3; it said: the words before\.$/,
    ],
    [
      'a Dockerfile that does not parse',
      'dockerfile-invalid',
      /does not parse: .*unknown instruction: RUNN/i,
    ],
    ['an empty Dockerfile', 'dockerfile-invalid', /does not parse/],
    ['a file that is not there', 'build-failed', /not in the context/],
  ] as const)(
    '%s is told in a sentence, on the page and as data, and is not built again by a visit',
    async (fault, code, words) => {
      const { pool, commits } = shared;
      const commit = commits[fault];
      const problem = await pool.visit(commit);
      expect([problem.status, problem.headers['content-type']]).toEqual([
        502,
        expect.stringContaining('application/problem+json'),
      ]);
      expect(JSON.parse(problem.text)).toMatchObject({
        code,
        detail: expect.stringMatching(words),
        commit,
      });

      const failed = await pool.visit(commit, { navigation: true });
      expect(failed.status).toBe(502);
      expect(failed.text).toContain('action="/_pool/retry"');
      expect(pool.count('building', commit)).toBe(1);

      await pool.visit(commit, { path: '/_pool/retry', method: 'POST' });
      expect((await pool.visit(commit)).status).toBe(502);
      expect(pool.count('building', commit)).toBe(2);
      expect((await pool.visit(commits.good)).text, 'others are not touched').toContain('Good');
      expect(await pool.containers()).toHaveLength(1);
    },
  );
});

test('a commit without a Dockerfile names those it has elsewhere', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({
    'deploy/Dockerfile.web': 'FROM busybox\n',
    'a.txt': '',
  });
  await using pool = await TestPool.open([repository.path]);
  const { state } = (await pool.visit(commit), await pool.state(commit));
  expect(state.failure).toMatchObject({
    code: 'no-dockerfile',
    message: expect.stringContaining('deploy/Dockerfile.web'),
  });
});

test('of stages side by side the one that failed is named', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({
    Dockerfile: [
      'FROM busybox:latest AS assets',
      fresh('sleep 0.3; echo no such asset; exit 3'),
      'FROM busybox:latest',
      fresh('while true; do echo busy; sleep 0.1; done'),
      'COPY --from=assets /etc/passwd /x',
      '',
    ].join('\n'),
  });
  await using pool = await TestPool.open([repository.path], { builder: 'buildkit' });
  const { detail } = JSON.parse((await pool.visit(commit)).text) as { detail: string };
  expect(detail).toMatch(/exit 3" ended with exit code 3; it said: no such asset\.$/);
});

test('a container that somebody stops or removes is started again by the next visit', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(node(LABORATORY));
  await using pool = await TestPool.open([repository.path]);
  for (const end of ['stop', 'remove'] as const) {
    expect((await pool.visit(commit)).text).toBe('laboratory');
    const cold = pool.count('cold');
    const [container] = await pool.containers();
    const handle = pool.engine.docker.getContainer(container?.Id ?? '');
    await (end === 'stop' ? handle.kill() : handle.remove({ force: true }));
    await until('its end is noticed', () => pool.count('cold') > cold, 5000);
  }
  expect((await pool.visit(commit)).text).toBe('laboratory');
  expect(pool.count('building')).toBe(1);
});

test('an image that EXPOSEs a range of ports is refused in words', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(node(LABORATORY, ['EXPOSE 3000-3100']));
  await using pool = await TestPool.open([repository.path]);
  expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({
    code: 'dockerfile-invalid',
    detail: 'The image EXPOSEs 101 ports; pool publishes at most 16.',
  });
});

test('an image that exits is explained by its code and its last lines', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(node(`console.log('no database here'); process.exit(4)`));
  await using pool = await TestPool.open([repository.path]);
  const { text } = await pool.visit(commit);
  expect(JSON.parse(text)).toMatchObject({
    code: 'exited',
    detail: 'The application exited with code 4 before it answered; it said: no database here.',
  });
  expect((await pool.visit(commit, { navigation: true })).text).toContain('no database here');
  expect(await pool.containers(), 'nothing is left behind').toHaveLength(0);
});

test('a command that does not exist is the fault of the Dockerfile', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({
    Dockerfile: 'FROM busybox:latest\nCMD ["nothing-of-this-name"]\n',
  });
  await using pool = await TestPool.open([repository.path]);
  expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({
    code: 'exited',
    detail: expect.stringContaining('nothing-of-this-name'),
  });
  expect(await pool.containers()).toHaveLength(0);
});

test('an image that never answers is ended after the limit, with the port that was asked', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(
    node(`console.log('waiting for nothing'); setInterval(() => {}, 1000)`),
  );
  await using pool = await TestPool.open([repository.path], { startTimeoutMs: 1500 });
  const { text } = await pool.visit(commit);
  expect(JSON.parse(text)).toMatchObject({
    code: 'no-answer',
    detail: expect.stringContaining('port 3000'),
  });
  expect((await pool.visit(commit, { navigation: true })).text).toContain('waiting for nothing');
  expect(await pool.containers()).toHaveLength(0);
});

test('an application that dies when it was ready is shown as failed, and retry starts it again without a build', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(node(LABORATORY));
  await using pool = await TestPool.open([repository.path]);
  expect((await pool.visit(commit)).text).toBe('laboratory');
  await pool.visit(commit, { path: '/exit' });
  await until('the death is noticed', () => pool.count('failed') === 1, 5000);
  const failed = await pool.visit(commit, { navigation: true });
  expect([failed.status, failed.text]).toEqual([
    502,
    expect.stringContaining('exited with code 7'),
  ]);
  await pool.visit(commit, { path: '/_pool/retry', method: 'POST' });
  expect((await pool.visit(commit)).text).toBe('laboratory');
  expect(pool.count('building')).toBe(1);
});

test('an empty repository is served, and shows its first commit once there is one', async () => {
  using repository = new GitRepository();
  await using pool = await TestPool.open([repository.path], { refreshMs: 200 });
  expect((await pool.visit('')).text).toContain('There is no commit here yet');
  const lost = await pool.visit('main', { navigation: true });
  expect([lost.status, lost.text]).toEqual([404, expect.stringContaining('has no commit yet')]);
  await repository.commit(page('At last'));
  await sleep(250);
  expect((await pool.visit('main')).text).toContain('At last');
});

test('builds wait in line, the page says where, and a full queue refuses more', async () => {
  using repository = new GitRepository();
  const commits = [];
  for (const [name, step] of Object.entries({ a: 'sleep 2', b: 'true', c: 'true', d: 'true' }))
    commits.push(await repository.commit(page(name, [fresh(step)])));
  const [a = '', b = '', c = '', d = ''] = commits;
  await using pool = await TestPool.open([repository.path], { queueLimit: 2 });
  for (const commit of [a, b, c]) await pool.visit(commit, { navigation: true });
  await until('the first is being built', () => pool.count('building') === 1);
  expect((await pool.visit(c, { navigation: true })).text).toContain('number 2');
  expect(JSON.parse((await pool.visit(d)).text)).toMatchObject({ code: 'queue-full' });
  const rest = await Promise.all([a, b, c].map(async (commit) => await pool.visit(commit)));
  expect(rest.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(
    (await pool.visit(d)).status,
    "a full queue is nobody's fault: the next visit tries again",
  ).toBe(200);
});

test('a repository whose remote went away is served from the mirror, and the strip says so', async () => {
  const repository = new GitRepository();
  const commit = await repository.commit(page('Kept'));
  await using pool = await TestPool.open([repository.path], { refreshMs: 200 });
  repository[Symbol.dispose]();
  await sleep(250);
  expect((await pool.visit('main')).text).toContain('Kept');
  expect((await pool.visit(commit)).status).toBe(200);
  expect((await pool.visit('')).text).toMatch(/The last fetch of [a-z0-9-]+ failed/);
});

test('a repository that was never fetched keeps no other from being served, says why, and is served once it can be', async () => {
  using good = new GitRepository();
  using late = new GitRepository();
  const commit = await good.commit(page('Served'));
  const first = await late.commit(page('Late'));
  await rename(late.path, `${late.path}-away`);
  const both = [`good=${good.path}`, `late=${late.path}`];
  await using pool = await TestPool.open(both, { refreshMs: 200 });
  expect((await pool.visit(`${commit}---good`)).text).toContain('Served');
  expect((await pool.visit('main')).text, 'of those that there are').toContain('Served');
  const why = 'The repository late could not be fetched yet: ';
  const asPage = await pool.visit('main---late', { navigation: true });
  expect([asPage.status, asPage.headers['retry-after'], asPage.text]).toEqual([
    503,
    '5',
    expect.stringMatching(`${why}.*${late.path}.*[^]*Pool asks again by itself`),
  ]);
  const nowhere = await pool.visit('nowhere');
  expect(nowhere.status).toBe(404);
  expect(nowhere.text).toContain(`No branch, tag or commit of that name is known. ${why}`);
  expect((await pool.visit('')).text).toContain('late, not there yet');
  expect((await pool.visit('', { path: '/?repository=late' })).text).toContain(why);
  expect(pool.events.filter(({ event }) => event === 'fetch-failed')).toMatchObject([
    { fields: { repository: 'late', problem: expect.stringContaining(late.path) } },
  ]);

  await rename(`${late.path}-away`, late.path);
  await sleep(200);
  expect((await pool.visit('main---late')).text).toContain('Late');
  expect((await pool.visit(first)).text).toContain('Late');
});
