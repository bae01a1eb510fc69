import { describe, expect, test } from 'vitest';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { fresh, node, page } from './fixtures/applications.ts';
import { sharedPool } from './fixtures/shared-pool.ts';
import { TestPool } from './fixtures/test-pool.ts';

/** Says its environment, and what the build put beside it. */
const SERVER = `
const { readFileSync, existsSync } = require('node:fs');
const built = existsSync('built') ? readFileSync('built', 'utf8').trim() : 'nothing';
const healthy = Date.now() + 700;
require('node:http').createServer((request, response) => {
  if (request.url === '/healthz' && Date.now() < healthy) response.statusCode = 503;
  response.end(JSON.stringify({ ...process.env, built, waited: Date.now() >= healthy }));
}).listen(process.env.LISTEN ?? 3000);
`;

/** Chooses all that a commit may choose. */
const choosing = () => ({
  '.pool.yml': [
    'dockerfile: deploy/web.Dockerfile',
    'context: web',
    'target: web',
    'args: {GREETING: "hello, world"}',
    'port: [4000, 5000]',
    'env: {LISTEN: 4000, MOOD: "calm = good"}',
  ].join('\n'),
  'deploy/web.Dockerfile': [
    'FROM node:24-slim AS web',
    'ARG GREETING',
    'WORKDIR /app',
    fresh('echo $GREETING > built'),
    'COPY server.js .',
    'EXPOSE 3000',
    'CMD ["node", "server.js"]',
    'FROM web AS broken',
    'RUN exit 3',
  ].join('\n'),
  'web/server.js': SERVER,
});

/** Is built with its commit in it. */
const asking = () =>
  node(SERVER, ['ARG POOL_COMMIT', fresh('echo $POOL_COMMIT > built'), 'EXPOSE 3000']);

describe.each(['buildkit', 'classic'] as const)('with the %s builder', (builder) => {
  const shared = sharedPool({ choosing: choosing(), asking: asking() }, { builder });

  test('a commit chooses its Dockerfile, context, stage, arguments, port and variables', async () => {
    const { pool, commits } = shared;
    const commit = commits.choosing;
    const { text } = await pool.visit(commit);
    expect(JSON.parse(text)).toMatchObject({
      built: 'hello, world',
      MOOD: 'calm = good',
      PORT: '4000',
      POOL_COMMIT: commit,
    });
    const { endpoint } = (await pool.state(commit)).state;
    expect(endpoint?.portRule).toBe('port 4000 of .pool.yml');
    expect(Object.keys(endpoint?.published ?? {})).toEqual(['3000', '4000', '5000']);
  });

  test('a Dockerfile that asks for the commit gets it', async () => {
    const { pool, commits } = shared;
    const commit = commits.asking;
    expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({ built: commit });
  });
});

test('an application is ready when its health path says so, and not before', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({ ...node(SERVER), '.pool.yml': 'health: /healthz\n' });
  await using pool = await TestPool.open([repository.path]);
  expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({ waited: true });
});

test('a health path that is never well is told with its last answer', async () => {
  using repository = new GitRepository();
  const server = `require('node:http').createServer((_, response) => {
    response.statusCode = 404;
    response.end();
  }).listen(3000);`;
  const commit = await repository.commit({ ...node(server), '.pool.yml': 'health: /up\n' });
  await using pool = await TestPool.open([repository.path], { startTimeoutMs: 1500 });
  expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({
    code: 'no-answer',
    detail: expect.stringContaining('answered 404 to GET /up on port 3000'),
  });
});

test("a problem of .pool.yml is told on the preview's page, as the commit's own fault", async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({ ...page('Mistyped'), '.pool.yml': 'ports: 3000\n' });
  await using pool = await TestPool.open([repository.path]);
  const failed = await pool.visit(commit);
  expect([failed.status, JSON.parse(failed.text)]).toEqual([
    502,
    expect.objectContaining({ code: 'pool-yml' }),
  ]);
  const shown = await pool.visit(commit, { navigation: true });
  expect(shown.text).toContain('unknown key &quot;ports&quot;; did you mean &quot;port&quot;?');
  expect(pool.count('building')).toBe(0);
});

test('an application that speaks both is spoken to as its commit says', async () => {
  using repository = new GitRepository();
  const server = `
    const http1 = require('node:http').createServer((_, response) => response.end('by HTTP/1.1'));
    const http2 = require('node:http2').createServer((_, response) => response.end('by HTTP/2'));
    require('node:net').createServer((socket) => socket.once('readable', () => {
      const first = socket.read(3);
      if (first === null) return socket.destroy();
      socket.unshift(first);
      (String(first) === 'PRI' ? http2 : http1).emit('connection', socket);
    })).listen(3000);
  `;
  const silent = await repository.commit(node(server));
  const said = await repository.commit({ '.pool.yml': 'protocol: h2c\n' });
  await using pool = await TestPool.open([repository.path]);
  expect((await pool.visit(silent)).text).toBe('by HTTP/1.1');
  expect((await pool.visit(said)).text).toBe('by HTTP/2');
});
