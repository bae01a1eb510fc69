import { expect, test } from 'vitest';
import { openAuthSession } from '../../src/build/auth-session.ts';
import { connectEngine } from '../../src/engine/connect.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { fresh } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

const SERVE = ['EXPOSE 3000', 'CMD ["busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]'];

/** Two stages that note when they began and ended, a third that nobody needs, and the page of both. */
const stages = [
  ...['one', 'two'].flatMap((name) => [
    `FROM busybox:latest AS ${name}`,
    fresh('cat /proc/uptime > /began && sleep 2 && cat /proc/uptime > /ended'),
  ]),
  'FROM busybox:latest AS unused',
  fresh('echo nobody needs this'),
  'FROM busybox:latest',
  ...['one', 'two'].flatMap((name) => [
    `COPY --from=${name} /began /www/${name}-began`,
    `COPY --from=${name} /ended /www/${name}-ended`,
  ]),
  ...SERVE,
].join('\n');

test.each([
  ['buildkit', 'side by side, and leaves out the one that nobody needs'],
  ['classic', 'one after the other'],
] as const)('the %s builder runs stages %s', async (builder, how) => {
  using repository = new GitRepository();
  const commit = await repository.commit({ Dockerfile: stages });
  await using pool = await TestPool.open([repository.path], { builder });
  const at = async (name: string) =>
    Number.parseFloat((await pool.visit(commit, { path: `/${name}` })).text);
  const overlap = (await at('two-began')) < (await at('one-ended'));
  const beside = overlap && (await at('one-began')) < (await at('two-ended'));
  const log = await pool.visit(commit, { path: '/_pool/log' });
  const skipped = !log.text.includes('nobody needs this');
  const expected = how.startsWith('side by side');
  expect({ beside, skipped }).toEqual({ beside: expected, skipped: expected });
});

test('a cache mount of BuildKit keeps its files from build to build, without a syntax line', async () => {
  using repository = new GitRepository();
  const id = `pool-${Date.now()}`;
  const dockerfile = (word: string) =>
    [
      'FROM busybox:latest',
      fresh('true'),
      `RUN --mount=type=cache,id=${id},target=/cache echo ${word} >> /cache/words && mkdir /www && cp /cache/words /www/`,
      ...SERVE,
    ].join('\n');
  const first = await repository.commit({ Dockerfile: dockerfile('one') });
  const second = await repository.commit({ Dockerfile: dockerfile('two') });
  await using pool = await TestPool.open([repository.path], { builder: 'buildkit' });
  expect((await pool.visit(first, { path: '/words' })).text).toBe('one\n');
  expect((await pool.visit(second, { path: '/words' })).text).toBe('one\ntwo\n');
});

test('the classic builder says of a cache mount that it has none', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({
    Dockerfile: 'FROM busybox:latest\nRUN --mount=type=cache,target=/cache true\n',
  });
  await using pool = await TestPool.open([repository.path], { builder: 'classic' });
  const { text } = await pool.visit(commit);
  expect(JSON.parse(text)).toMatchObject({
    code: 'build-failed',
    detail: expect.stringContaining('requires BuildKit'),
  });
});

const none = async () => await Promise.resolve(undefined);

test('a session for logins that is ended as soon as it is open ends nothing else', async () => {
  const engine = await connectEngine(undefined, process.env);
  for (let count = 0; count < 10; count++) {
    using session = await openAuthSession(engine, none, AbortSignal.timeout(5000));
    expect(session.problems.size).toBe(0);
  }
});
