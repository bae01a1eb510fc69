import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import {
  type Application,
  fresh,
  H2C,
  LABORATORY,
  nghttpd,
  node,
  page,
} from './fixtures/applications.ts';
import { sharedPool } from './fixtures/shared-pool.ts';
import { TestPool } from './fixtures/test-pool.ts';

const laboratory = node(LABORATORY);
const shared = sharedPool({
  laboratory,
  forSocket: laboratory,
  forPost: laboratory,
  h2c: node(H2C),
});

test('a WebSocket is held until the application is ready, and then carries words both ways', async () => {
  const { pool, commits } = shared;
  const commit = commits.forSocket;
  // Nobody visited before: the handshake itself makes the preview.
  const socket = new WebSocket(`ws://127.0.0.1:${pool.port}/`, {
    headers: { host: `${commit}.${pool.site}` },
  });
  const heard = Promise.withResolvers<string>();
  socket.once('open', () => socket.send('ripple'));
  socket.once('message', (data: Buffer) => heard.resolve(data.toString()));
  socket.once('error', heard.reject);
  expect(await heard.promise).toBe('ripple');
  socket.terminate();

  const refused = Promise.withResolvers<number | undefined>();
  const other = new WebSocket(`ws://127.0.0.1:${pool.port}/refused`, {
    headers: { host: `${commit}.${pool.site}` },
  });
  other.once('unexpected-response', (_, response) => refused.resolve(response.statusCode));
  other.once('error', () => {});
  expect(await refused.promise, "the application's own refusal").toBe(403);
});

test('a WebSocket to a preview that failed is refused with the reason', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({ 'README.md': 'no Dockerfile' });
  await using pool = await TestPool.open([repository.path]);
  const socket = new WebSocket(`ws://127.0.0.1:${pool.port}/`, {
    headers: { host: `${commit}.${pool.site}` },
  });
  const refused = Promise.withResolvers<number | undefined>();
  socket.once('unexpected-response', (_, response) => refused.resolve(response.statusCode));
  socket.once('error', () => {});
  expect(await refused.promise).toBe(502);
});

test('a POST that comes before the application is ready reaches it whole', async () => {
  const { pool, commits } = shared;
  const commit = commits.forPost;
  const body = 'a body that must not be lost '.repeat(40_000);
  const answer = await pool.visit(commit, { path: '/echo', method: 'POST', body });
  expect([answer.status, answer.text.length, answer.text === body]).toEqual([
    200,
    body.length,
    true,
  ]);
});

test('events of the application come through as they are written', async () => {
  const { pool, commits } = shared;
  const commit = commits.laboratory;
  await pool.visit(commit);
  const pieces: string[] = [];
  for await (const piece of await pool.ask(commit, { path: '/stream' })) pieces.push(String(piece));
  expect(pieces).toEqual(['data: one\n\n', 'data: two\n\n']);
});

test('an answer that the application cuts short reaches the client as a cut', async () => {
  const { pool, commits } = shared;
  const commit = commits.laboratory;
  await pool.visit(commit);
  await expect(pool.visit(commit, { path: '/cut' })).rejects.toThrow('aborted');
});

test('the application sees its own Host and who really asks, whatever the client claims', async () => {
  const { pool, commits } = shared;
  const commit = commits.laboratory;
  await pool.visit(commit);
  const { text } = await pool.visit(commit, {
    path: '/headers',
    headers: { 'X-Forwarded-For': '203.0.113.9', 'X-Mixed-Case': 'kept' },
  });
  const raw = JSON.parse(text) as string[];
  const value = (name: string) => raw[raw.indexOf(name) + 1];
  expect(value('X-Mixed-Case')).toBe('kept');
  expect(value('host')).toBe(`${commit}.${pool.site}`);
  expect(value('X-Forwarded-For')).toBe('127.0.0.1');
  expect(raw.filter((name) => name.toLowerCase() === 'x-forwarded-for')).toHaveLength(1);
});

test('a client may ask for an answer in its own time', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Slow', [fresh('sleep 2')]));
  await using pool = await TestPool.open([repository.path]);
  const later = await pool.visit(commit, { headers: { prefer: 'respond-async' } });
  expect([later.status, later.headers.location]).toEqual([202, '/_pool/']);
  const impatient = await pool.visit(commit, { headers: { prefer: 'wait=1' } });
  expect([impatient.status, impatient.headers['retry-after']]).toEqual([503, '2']);
  expect(JSON.parse(impatient.text)).toMatchObject({ phase: 'building', commit });
  expect((await pool.visit(commit)).status).toBe(200);
});

test('a crawler gets a card and starts nothing', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Quiet'), 'A subject for the card');
  await using pool = await TestPool.open([repository.path]);
  const card = await pool.visit(commit, {
    navigation: true,
    headers: { 'user-agent': 'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)' },
  });
  expect([card.status, card.text]).toEqual([
    200,
    expect.stringContaining('A subject for the card'),
  ]);
  expect(pool.events).toEqual([]);
});

const SPEAKERS: [name: string, application: Application | undefined, says: RegExp][] = [
  ['node:http2', node(H2C), /^HTTP\/2 for [0-9a-f]{40}\.\S+\/a\?b$/],
  ['nghttpd', nghttpd(), /404 Not Found/],
];

test.each(SPEAKERS.filter(([, application]) => application !== undefined))(
  'an application that speaks only HTTP/2 without TLS, %s, is recognised and shown',
  async (_, application = {}, says) => {
    using repository = new GitRepository();
    const commit = await repository.commit(application);
    await using pool = await TestPool.open([repository.path]);
    const answer = await pool.visit(commit, { path: '/a?b' });
    expect(answer.text).toMatch(says);
    expect(answer.headers['x-pool-commit']).toBe(commit);
    expect((await pool.state(commit)).state.endpoint).toMatchObject({ protocol: 'h2c' });
    const shown = await pool.visit(commit, { navigation: true });
    expect([shown.status, shown.text]).toEqual([200, expect.stringContaining('HTTP/2 ')]);
    const socket = new WebSocket(`ws://127.0.0.1:${pool.port}/`, {
      headers: { host: `${commit}.${pool.site}` },
    });
    const refused = Promise.withResolvers<number | undefined>();
    socket.once('unexpected-response', (_request, response) =>
      refused.resolve(response.statusCode),
    );
    socket.once('error', () => {});
    expect(await refused.promise).toBe(501);
  },
);

test('a body of a megabyte goes through HTTP/2 whole, there and back', async () => {
  const { pool, commits } = shared;
  const commit = commits.h2c;
  const body = 'x'.repeat(1_000_000);
  const { text } = await pool.visit(commit, { method: 'POST', body });
  expect(text === body).toBe(true);
});

test('a container that is gone a moment ago is told as 502 or made anew, never as a hang', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit(page('Soon gone'));
  await using pool = await TestPool.open([repository.path]);
  await pool.visit(commit);
  const [container] = await pool.containers();
  await pool.engine.docker.getContainer(container?.Id ?? '').kill();
  const statuses: number[] = [];
  for (let index = 0; index < 20; index++) statuses.push((await pool.visit(commit)).status);
  expect(statuses.every((status) => status === 200 || status === 502)).toBe(true);
  expect(statuses.at(-1)).toBe(200);
});
