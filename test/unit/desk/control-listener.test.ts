import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { type RepositoryName, toRepositoryName } from '../../../src/address/label.ts';
import { BuildLog } from '../../../src/build/build-log.ts';
import { controlListener } from '../../../src/desk/control-listener.ts';
import { Refusal, Row } from '../../../src/desk/verbs.ts';
import type { Stages } from '../../../src/preview/make-preview.ts';
import { Preview } from '../../../src/preview/preview.ts';
import type { Mirror } from '../../../src/mirror/mirror.ts';
import { COMMIT, FAILURE, FakeControl, STATES } from '../fixtures/fake-control.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { listening } from '../fixtures/servers.ts';
import { NEVER, until } from '../fixtures/until.ts';

const repository = toRepositoryName('shop') ?? expect.fail();
const WANTED = { repository, commit: COMMIT };

/** A control socket (on a port), before one preview that nobody makes. */
async function openControl(mirrors = new Map<RepositoryName, Mirror>()) {
  const folder = new TemporaryFolder();
  const control = new FakeControl(STATES.cold);
  const log = new BuildLog(join(folder.path, 'log'), () => {});
  const preview = new Preview(
    WANTED,
    {} as Stages,
    log,
    () => {},
    () => {},
    NEVER,
  );
  const deeds: string[] = [];
  const logged: unknown[] = [];
  const listener = controlListener({
    domains: ['pool.localhost', 'pool.dev'],
    mirrors,
    previews: {
      all: () => [preview].values(),
      get: () => preview,
      of: () => preview,
      stop: async () => {
        deeds.push('stop');
        await Promise.resolve();
      },
    },
    control,
    history: { commit: async () => await Promise.reject(new Error('no mirror, no history')) },
    labelOf: ({ commit }) => commit,
    urlOf: ({ commit }) => `http://${commit}.pool.localhost/`,
    built: async () => await Promise.resolve([]),
    removeImage: async () => {
      deeds.push('remove image');
      await Promise.resolve();
    },
    logger: (event, ...fields) => logged.push(event, ...fields),
  });
  const server = await listening(createServer(listener));
  return {
    control,
    preview,
    deeds,
    logged,
    port: server.port,
    async ask(path: string, body: unknown, method = 'POST') {
      const outgoing = request({ port: server.port, path, method, agent: false });
      outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
      const [answer] = (await once(outgoing, 'response')) as [
        NodeJS.ReadableStream & { statusCode: number },
      ];
      return { status: answer.statusCode, data: JSON.parse(await text(answer)) as unknown };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

describe('an address is', () => {
  it.each([
    ['main', 'main', 'pool.localhost'],
    ['MAIN', 'main', 'pool.localhost'],
    ['main---shop', 'main---shop', 'pool.localhost'],
    ['main.pool.dev', 'main', 'pool.dev'],
    ['main.pool.localhost:8080', 'main', 'pool.localhost:8080'],
    ['http://main.pool.dev/path?query', 'main', 'pool.dev'],
    ['https://admin.main.pool.dev:8443', 'main', 'pool.dev:8443'],
  ])('%s', async (address, label, site) => {
    await using fixture = await openControl();
    expect((await fixture.ask('/stop', { address })).status).toBe(200);
    expect(fixture.control.visits).toMatchObject([{ address: { label, site }, start: false }]);
  });

  it.each([
    ['', 'is no address'],
    ['pool.dev', 'it names no preview'],
    ['main.example.com', 'this domain is not served here'],
    ['127.0.0.1', 'an IP address names no preview'],
    ['feature/login', 'A branch "feature/login" is written feature-login'],
    ['main/path', 'is no address'],
    ['a b', 'is no address'],
    ['ftp://main.pool.dev/', 'is no address'],
    ['http://', 'is no address'],
  ])('not %j', async (address, words) => {
    await using fixture = await openControl();
    const { status, data } = await fixture.ask('/stop', { address });
    const { message, next } = Refusal.parse(data);
    expect(status).toBe(404);
    expect(`${message} ${next}`).toContain(words);
    expect(fixture.control.visits).toEqual([]);
    expect(fixture.deeds).toEqual([]);
  });
});

describe('what the control plane knows of an address decides', () => {
  it('several commits: each is named', async () => {
    await using fixture = await openControl();
    const choices = [
      { name: 'branch a/b', label: 'aaaa' },
      { name: 'branch a-b', label: 'bbbb' },
    ];
    fixture.control.lost = { kind: 'ambiguous', choices };
    const { status, data } = await fixture.ask('/wait', { address: 'a-b', timeoutMs: 0 });
    expect(status).toBe(300);
    expect(data).toMatchObject({ next: 'Name one: aaaa (branch a/b), bbbb (branch a-b).' });
  });

  it('nothing of that name: what is near is told', async () => {
    await using fixture = await openControl();
    const near = [{ name: 'branch main', label: 'main' }];
    fixture.control.lost = { kind: 'unknown', near, reason: 'None.', retryAfterMs: undefined };
    expect(await fixture.ask('/rm', { address: 'mian' })).toMatchObject({
      status: 404,
      data: { message: '"mian" is unknown. None.', next: 'Near to it: main.' },
    });
    expect(fixture.deeds).toEqual([]);
  });

  it('no branch reaches it any more, and it runs: it is still the one that is meant', async () => {
    await using fixture = await openControl();
    fixture.control.lost = { kind: 'unknown', near: [], reason: '', retryAfterMs: undefined };
    expect((await fixture.ask('/rm', { address: COMMIT })).status).toBe(200);
    expect(fixture.deeds).toEqual(['stop', 'remove image']);
  });

  it('a refusal is handed on', async () => {
    await using fixture = await openControl();
    fixture.control.lost = { kind: 'refused', failure: FAILURE };
    const { message, next } = FAILURE;
    expect(await fixture.ask('/stop', { address: 'main' })).toEqual({
      status: 503,
      data: { message, next },
    });
  });
});

describe('a request that is none', () => {
  it.each([
    ['POST', '/nothing', {}, 404],
    ['POST', '/', {}, 404],
    ['POST', '/constructor', {}, 404],
    ['POST', '//ls', {}, 404],
    ['POST', '/ls?x', {}, 404],
    ['GET', '/ls', '', 404],
    ['POST', '/ls', '{', 400],
    ['POST', '/ls', '', 400],
    ['POST', '/ls', { surplus: 1 }, 400],
    ['POST', '/stop', {}, 400],
    ['POST', '/stop', { address: 5 }, 400],
    ['POST', '/stop', { address: 'x'.repeat(2001) }, 400],
    ['POST', '/wait', { address: 'main', timeoutMs: -1 }, 400],
    ['POST', '/wait', { address: 'main', timeoutMs: 2 ** 40 }, 400],
  ])('%s %s with %j is refused in words', async (method, path, body, status) => {
    await using fixture = await openControl();
    const answer = await fixture.ask(path, body, method);
    expect(answer.status).toBe(status);
    expect(Refusal.parse(answer.data).next).not.toBe('');
    expect(fixture.logged).toEqual([]);
  });
});

it('a preview is shown by what is public of it', async () => {
  await using fixture = await openControl();
  fixture.preview.tell({ type: 'failed', failure: FAILURE });
  const { data } = await fixture.ask('/ls', {});
  expect((data as { previews: unknown[] }).previews.map((row) => Row.parse(row))).toMatchObject([
    { repository: 'shop', commit: COMMIT, phase: 'failed', failure: { code: 'build-failed' } },
  ]);
});

it('a preview whose commit the mirror no longer has is shown without its subject', async () => {
  const mirror = { table: { at: () => [] } } as unknown as Mirror;
  await using fixture = await openControl(new Map([[repository, mirror]]));
  fixture.preview.tell({ type: 'failed', failure: FAILURE });
  expect(await fixture.ask('/ls', {})).toMatchObject({
    status: 200,
    data: { previews: [{ commit: COMMIT, subject: '' }] },
  });
  expect(fixture.logged).toEqual([]);
});

it('who waits is answered when it is over, and ends nothing by leaving', async () => {
  await using fixture = await openControl();
  const { preview, control } = fixture;
  preview.tell({ type: 'queued', position: 1 });
  const late = await fixture.ask('/wait', { address: 'main', timeoutMs: 20 });
  expect(late).toMatchObject({ status: 200, data: { phase: 'queued' } });
  expect(control.visits[0]?.start).toBe(true);

  const body = JSON.stringify({ address: 'main', timeoutMs: 60_000 });
  const leaving = request({ port: fixture.port, path: '/wait', method: 'POST', agent: false });
  leaving.on('error', () => {}).end(body);
  await until('it is asked', () => control.visits.length === 2);
  leaving.destroy();
  const waiting = fixture.ask('/wait', { address: 'main', timeoutMs: 60_000 });
  await until('it is asked again', () => control.visits.length === 3);
  preview.tell({ type: 'failed', failure: FAILURE });
  expect(await waiting).toMatchObject({ status: 200, data: { phase: 'failed' } });
  expect(fixture.logged).toEqual([]);
});
