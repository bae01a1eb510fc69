import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/front/limits.ts';
import type { PreviewState } from '../../../src/preview/state.ts';
import { COMMIT, ID, STATES } from '../fixtures/fake-control.ts';
import { HOST, openFront, openReadyFront } from '../fixtures/front.ts';
import { httpServer, parseAnswer, raw, RawClient } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const CLOSE = 'Connection: close';
const HTML = 'Accept: text/html';
const GET = 'GET / HTTP/1.1';

describe('the Host table, over a socket', () => {
  it.each([
    ['two Hosts', 400, [GET, `Host: ${HOST}`, `Host: ${HOST}`, CLOSE]],
    ['no Host', 400, [GET, CLOSE]],
    ['an empty Host', 400, [GET, 'Host:', CLOSE]],
    ['userinfo', 400, [GET, `Host: a@${HOST}`, CLOSE]],
    ['a comma', 400, [GET, `Host: ${HOST}, ${HOST}`, CLOSE]],
    ['non-ASCII', 400, [GET, `Host: \u00e4.pool.dev`, CLOSE]],
    [
      'another absolute target',
      400,
      ['GET http://other.pool.dev/ HTTP/1.1', `Host: ${HOST}`, CLOSE],
    ],
    ['an empty label', 400, [GET, 'Host: a..pool.dev', CLOSE]],
    ['a label of 64', 400, [GET, `Host: ${'a'.repeat(64)}.pool.dev`, CLOSE]],
    ['an unknown domain', 421, [GET, 'Host: example.org', CLOSE]],
    ['an IP address', 421, [GET, 'Host: 127.0.0.1:80', CLOSE]],
    ['HTTP/1.0 without Host', 421, ['GET / HTTP/1.0']],
    ['a label outside the grammar', 404, [GET, 'Host: a----b.pool.dev', CLOSE]],
  ] as const)('%s: %i, and nobody is asked', async (_, status, lines) => {
    await using front = await openFront();
    const answer = await raw(front.port, ...lines);
    expect(answer.status).toBe(status);
    expect(front.control.visits).toEqual([]);
    expect(answer.head.toLowerCase()).not.toContain('location:');
  });

  it.each([
    ['upper case', `Host: ${HOST.toUpperCase()}`],
    ['a trailing dot', `Host: ${HOST}.`],
    ['a port', `Host: ${HOST}:8080`],
    ['a label of the application', `Host: admin.${HOST}`],
  ])('%s leads to the preview, Host unchanged', async (_, host) => {
    await using app = await httpServer((request, response) => response.end(request.headers.host));
    await using front = await openReadyFront(app.port);
    expect((await raw(front.port, GET, host, CLOSE)).body).toBe(host.slice('Host: '.length));
  });

  it('the bare domain is one more endpoint', async () => {
    await using desk = await httpServer((_, response) => response.end('the desk'));
    await using front = await openFront(STATES.queued, { deskPort: desk.port });
    const answer = await raw(front.port, GET, 'Host: pool.dev', CLOSE);
    expect(answer).toMatchObject({ status: 200, body: 'the desk' });
    expect(answer.headers['x-pool-commit']).toBeUndefined();
  });

  it('a desk that is away is told as 503, soon over', async () => {
    await using front = await openFront();
    const answer = await raw(front.port, GET, 'Host: pool.dev', CLOSE);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
  });

  it('bytes that are no HTTP are refused', async () => {
    await using front = await openFront();
    expect((await raw(front.port, 'hello')).status).toBe(400);
  });
});

describe('a ready preview', () => {
  it('is asked for without a question to the control plane, once its address is known', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    for (let index = 0; index < 5; index++) await front.get('/');
    expect(front.control.visits).toHaveLength(1);
  });

  it('is asked for anew when what the address means may have changed', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    front.control.until = Date.now() - 1;
    await front.get('/');
    await front.get('/');
    expect(front.control.visits).toHaveLength(2);
  });

  it('tells its commit, and asks not to be indexed', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    expect((await front.get('/')).headers).toMatchObject({
      'x-pool-commit': COMMIT,
      'x-robots-tag': 'noindex',
    });
  });

  it('is what robots get too', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    expect((await front.get('/', 'User-Agent: Googlebot')).body).toBe('ok');
  });
});

describe('a request that is no navigation is held', () => {
  it('with its body unread until the preview is ready, and the body comes whole', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openFront(STATES.building, { holdMs: 2000 });
    const body = 'x'.repeat(1_000_000);
    const request = httpRequest({
      port: front.port,
      method: 'POST',
      headers: { host: HOST },
      agent: false,
    });
    request.end(body);
    await until('it is held', () => front.control.settledCalls === 1);
    expect(app.open.size).toBe(0);
    front.control.move(STATES.starting);
    front.ready(app.port);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect(await text(answer)).toBe(body);
  });

  it('with no 100 Continue before the application gives it', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openFront(STATES.building, { holdMs: 2000 });
    using client = new RawClient(front.port);
    client.send(
      'PUT / HTTP/1.1',
      `Host: ${HOST}`,
      'Expect: 100-continue',
      'Content-Length: 2',
      CLOSE,
    );
    await until('it is held', () => front.control.settledCalls === 1);
    expect(client.text).toBe('');
    front.ready(app.port);
    await until('it may go on', () => client.text.startsWith('HTTP/1.1 100'));
    client.socket.write('hi');
    expect(await client.ended).toMatch(/hi\r\n0\r\n\r\n$|hi$/);
  });

  it.each(['GET', 'POST', 'DELETE'])(
    '%s: for holdMs, then 503 with a problem document',
    async (method) => {
      await using front = await openFront(STATES.building, { holdMs: 20 });
      const answer = await raw(front.port, `${method} / HTTP/1.1`, `Host: ${HOST}`, CLOSE);
      expect(answer.status).toBe(503);
      expect(answer.headers).toMatchObject({
        'retry-after': '2',
        'content-type': 'application/problem+json; charset=utf-8',
        'cache-control': 'no-store',
        'x-pool-commit': COMMIT,
      });
      expect(JSON.parse(answer.body)).toMatchObject({
        status: 503,
        phase: 'building',
        commit: COMMIT,
      });
    },
  );

  it('until it fails, then 502 with why', async () => {
    await using front = await openFront(STATES.building, { holdMs: 2000 });
    const asked = front.get('/');
    await until('it is held', () => front.control.settledCalls === 1);
    front.control.move(STATES.failed);
    const answer = await asked;
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'build-failed',
      detail: 'The step "RUN make" ended with exit code 2.',
      next: 'Mend it in a new commit.',
    });
  });

  it('as long as Prefer: wait says', async () => {
    await using front = await openFront(STATES.building, { holdMs: 5000 });
    expect((await front.get('/', 'Prefer: wait=0')).status).toBe(503);
  });

  it('not at all with Prefer: respond-async: 202, and where to look', async () => {
    await using front = await openFront(STATES.building, { holdMs: 5000 });
    const answer = await raw(
      front.port,
      'POST / HTTP/1.1',
      `Host: ${HOST}`,
      CLOSE,
      'Prefer: respond-async',
      'Content-Length: 0',
    );
    expect(answer).toMatchObject({
      status: 202,
      headers: { location: '/_pool/', 'retry-after': '2' },
    });
  });

  it('and forgotten when the visitor leaves', async () => {
    await using front = await openFront(STATES.building, { holdMs: 60_000 });
    using client = new RawClient(front.port);
    client.send(GET, `Host: ${HOST}`);
    await until('it is held', () => front.control.settledCalls === 1);
    client.socket.destroy();
    await until('it is gone', () => front.listening.open.size === 0);
    expect(front.events).toEqual([]);
  });

  it('without keeping pool busy, when the preview went cold meanwhile', async () => {
    await using front = await openFront(STATES.building, { holdMs: 250 });
    const asked = front.get('/');
    await until('it is held', () => front.control.settledCalls === 1);
    front.control.move(STATES.cold);
    await asked;
    expect(front.control.settledCalls).toBeLessThan(30);
  });

  it('and started anew, when the preview went cold meanwhile', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openFront(STATES.building, { holdMs: 250 });
    const asked = front.get('/');
    await until('it is held', () => front.control.settledCalls === 1);
    const visit = front.control.visit.bind(front.control);
    front.control.visit = async (address, start) => {
      if (start) front.ready(app.port);
      return await visit(address, start);
    };
    front.control.move(STATES.cold);
    expect((await asked).body).toBe('ok');
  });

  it('and asked anew, when its route went between two looks', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    front.routes.withdraw(ID);
    front.control.state = STATES.ready;
    const answer = await front.get('/', 'Prefer: wait=0');
    expect([502, 503]).toContain(answer.status);
  });
});

describe('what is held', () => {
  it('is limited; the next is told so, until others are let go of', async () => {
    expect(LIMITS.held).toBe(10_000);
    const limits = { held: 50 };
    await using front = await openFront(STATES.building, { holdMs: 60_000, limits });
    const clients = Array.from({ length: 50 }, () => new RawClient(front.port));
    for (const client of clients) client.send(GET, `Host: ${HOST}`);
    await until('all are held', () => front.control.settledCalls === 50);
    const answer = await front.get('/');
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(JSON.parse(answer.body)).toMatchObject({ title: 'Too many held requests' });
    clients[0]?.socket.destroy();
    await until('its places are free', () => front.listening.open.size === 49);
    const held = front.get('/');
    await until('the next is held', () => front.control.settledCalls === 51);
    front.control.move(STATES.failed);
    expect((await held).status).toBe(502);
    for (const client of clients) client[Symbol.dispose]();
  });

  it.each([
    ['no body', 0, 0],
    ['a body that is here whole', 60_000, 60_000],
    ['a body that still arrives', 1_000_000, 60_000],
  ])('with %s frees its place at once when the visitor leaves', async (_, length, sent) => {
    const limits = { held: 1 };
    await using front = await openFront(STATES.building, { holdMs: 60_000, limits });
    for (const times of [1, 2]) {
      using client = new RawClient(front.port);
      client.send('POST / HTTP/1.1', `Host: ${HOST}`, `Content-Length: ${length}`);
      client.socket.write('x'.repeat(sent));
      await until('it is held', () => front.control.settledCalls === times);
      client.socket.end();
      await until('it is gone', () => front.listening.open.size === 0);
    }
    expect(front.control.settledCalls).toBe(2);
  });

  it('is told to come again when pool ends, and so is whoever comes then', async () => {
    await using front = await openFront(STATES.building, { holdMs: 60_000 });
    const held = front.get('/');
    await until('it is held', () => front.control.settledCalls === 1);
    front.end();
    // The control plane gives up what it makes.
    front.control.move(STATES.failed);
    for (const answer of [await held, await front.get('/'), await front.get('/', HTML)]) {
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
      expect(answer.body).toContain('Pool is restarting');
    }
  });

  it('is told so too where the control plane says nothing any more', async () => {
    await using front = await openFront(STATES.building, { holdMs: 60_000 });
    const held = front.get('/');
    await until('it is held', () => front.control.settledCalls === 1);
    front.end();
    expect((await held).status).toBe(503);
  });

  it('is not what is ready: that is answered until pool is gone', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    await front.get('/');
    front.end();
    expect((await front.get('/')).body).toBe('ok');
  });
});

describe('a navigation', () => {
  it.each(['queued', 'building', 'cold'] as const)(
    'to a preview that is %s gets the waiting page at once',
    async (phase) => {
      await using front = await openFront(STATES[phase], { holdMs: 60_000 });
      const answer = await front.get('/', HTML);
      expect(answer.status).toBe(503);
      expect(answer.headers).toMatchObject({
        'retry-after': '2',
        'cache-control': 'no-store',
        'content-type': 'text/html; charset=utf-8',
        'x-robots-tag': 'noindex',
        'x-pool-commit': COMMIT,
      });
      expect(answer.body).toContain('Change the colour');
      expect(front.control.visits).toMatchObject([{ start: true }]);
    },
  );

  it('to a preview that starts waits a moment for it', async () => {
    await using app = await httpServer((_, response) => response.end('the application'));
    await using front = await openFront(STATES.starting);
    const asked = front.get('/', HTML);
    await until('it is held', () => front.control.settledCalls === 1);
    front.ready(app.port);
    expect(await asked).toMatchObject({ status: 200, body: 'the application' });
  });

  it('to a preview that starts for longer gets the waiting page', async () => {
    await using front = await openFront(STATES.starting, { holdMs: 60_000 });
    const begun = Date.now();
    expect((await front.get('/', HTML)).status).toBe(503);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(390);
    expect(Date.now() - begun, 'half of what others are held').toBeLessThan(30_000);
  });

  it('to a preview that failed gets the failure page', async () => {
    await using front = await openFront(STATES.failed);
    const answer = await front.get('/', HTML);
    expect(answer.status).toBe(502);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.body).toContain('The step &quot;RUN make&quot; ended with exit code 2.');
    expect(answer.body).toContain('action="/_pool/retry"');
  });

  it('of HEAD gets the head alone', async () => {
    await using front = await openFront(STATES.building);
    const answer = await raw(front.port, 'HEAD / HTTP/1.1', `Host: ${HOST}`, HTML, CLOSE);
    expect(answer).toMatchObject({ status: 503, body: '' });
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(500);
  });
});

describe('a robot', () => {
  it.each(['cold', 'queued', 'building', 'starting', 'failed'] as const)(
    'gets a card while the preview is %s, and starts nothing',
    async (phase) => {
      await using front = await openFront(STATES[phase]);
      const answer = await front.get('/', 'User-Agent: Slackbot-LinkExpanding 1.0');
      expect(answer.status).toBe(200);
      expect(answer.body).toContain('Change the colour');
      expect(answer.body).toContain('Ada');
      expect(answer.body.length).toBeLessThan(30_000);
      expect(front.control.visits).toMatchObject([{ start: false }]);
    },
  );

  it('is a prefetch too', async () => {
    await using front = await openFront(STATES.cold);
    const answer = await front.get('/', HTML, 'Sec-Purpose: prefetch');
    expect(answer.status).toBe(200);
    expect(front.control.visits).toMatchObject([{ start: false }]);
  });
});

describe('an address that leads nowhere', () => {
  const near = [{ name: 'branch main', label: 'main' }];

  it('is 404 with near names, as JSON or as a page', async () => {
    await using front = await openFront();
    front.control.lost = { kind: 'unknown', near, reason: 'No such name.', retryAfterMs: 8100 };
    const json = await front.get('/');
    expect(json).toMatchObject({ status: 404, headers: { 'retry-after': '9' } });
    expect(JSON.parse(json.body)).toMatchObject({ status: 404, detail: 'No such name.', near });
    const page = await front.get('/', HTML);
    expect(page).toMatchObject({ status: 404, headers: { 'retry-after': '9' } });
    expect(page.body).toContain('href="//main.pool.dev/"');
    expect(page.body).toContain('http-equiv="refresh" content="9"');
  });

  it('is 300 with the list', async () => {
    await using front = await openFront();
    const choices = [...near, { name: 'tag MAIN', label: COMMIT }];
    front.control.lost = { kind: 'ambiguous', choices };
    const json = await front.get('/');
    expect(json.status).toBe(300);
    expect(json.headers['location']).toBeUndefined();
    expect(JSON.parse(json.body)).toMatchObject({ choices });
    const page = await front.get('/', HTML);
    expect(page.status).toBe(300);
    expect(page.body).toContain(`href="//${COMMIT}.pool.dev/"`);
  });

  it('that is refused just now is 503 with why', async () => {
    await using front = await openFront();
    const failure = { code: 'queue-full', message: 'Full.', next: 'Wait.', ours: true } as const;
    front.control.lost = { kind: 'refused', failure };
    const json = await front.get('/');
    expect(json).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(JSON.parse(json.body)).toMatchObject({ code: 'queue-full', detail: 'Full.' });
    expect((await front.get('/', HTML)).status).toBe(503);
  });

  it('a control plane that fails is 500, in words, and pool goes on', async () => {
    await using front = await openFront();
    const visit = front.control.visit.bind(front.control);
    front.control.visit = async () => await Promise.reject(new Error('secret detail'));
    const answer = await front.get('/');
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('secret detail');
    expect(front.events.join('\n')).toContain('internal');
    front.control.visit = visit;
    expect((await front.get('/', HTML)).status).toBe(503);
  });
});

describe('/_pool/ is the page of the preview', () => {
  it.each(Object.entries(STATES) as [string, PreviewState][])(
    'while it is %s, and starts nothing',
    async (_, state) => {
      await using front = await openFront(state);
      const page = await front.get('/_pool/', HTML);
      expect(page.status).toBe(200);
      expect(page.body).toContain(COMMIT);
      const json = await front.get('/_pool/', 'Accept: application/json');
      expect(JSON.parse(json.body)).toMatchObject({
        commit: COMMIT,
        rule: 'full id',
        state: JSON.parse(JSON.stringify(state)) as object,
      });
      expect(front.control.visits.every(({ start }) => !start)).toBe(true);
    },
  );

  it('also when it is ready and its address is known', async () => {
    await using app = await httpServer((_, response) => response.end('the application'));
    await using front = await openReadyFront(app.port);
    await front.get('/');
    expect((await front.get('/_pool/log')).body).toBe('one\ntwo\n');
    expect((await front.get('/_pool/?x=1', HTML)).body).toContain(COMMIT);
    const target = `GET http://${HOST}/_pool/log HTTP/1.1`;
    expect((await raw(front.port, target, `Host: ${HOST}`, CLOSE)).body).toBe('one\ntwo\n');
  });

  it.each(['/_pool', '/_poolx/', '/x/_pool/', '/_POOL/', '/?/_pool/', '//_pool/'])(
    'and %s is the application',
    async (path) => {
      await using app = await httpServer((_, response) => response.end('the application'));
      await using front = await openReadyFront(app.port);
      expect((await front.get(path)).body).toBe('the application');
    },
  );

  it('has the log as harmless text', async () => {
    await using front = await openFront();
    front.control.logText = '<script>alert(1)</script>\n';
    const answer = await front.get('/_pool/log');
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    expect(answer.body).toBe(front.control.logText);
  });

  it.each(['/_pool/nothing', '/_pool/log/', '/_pool/%00', '/_pool/../x', '/_pool/../x/y/z/w'])(
    'and %s is 404',
    async (path) => {
      await using front = await openFront();
      expect((await front.get(path)).status).toBe(404);
    },
  );

  it.each(['POST', 'PUT', 'DELETE'])('and %s of it is 405', async (method) => {
    await using front = await openFront();
    const answer = await raw(front.port, `${method} /_pool/ HTTP/1.1`, `Host: ${HOST}`, CLOSE);
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });
});

describe('events', () => {
  const HAPPENINGS = [
    { kind: 'state', state: STATES.building },
    { kind: 'log', text: 'line\n\ndata: forged\n', next: 42 },
    { kind: 'state', state: STATES.ready },
  ] as const;

  it('tell states and log, each log event with the offset to go on from', async () => {
    await using front = await openFront(STATES.building);
    front.control.happenings = [...HAPPENINGS];
    using client = new RawClient(front.port);
    client.send('GET /_pool/events HTTP/1.1', `Host: ${HOST}`);
    await until('all is told', () => client.text.includes('"phase":"ready"'));
    const { headers, status } = parseAnswer(client.text);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    expect(client.text).toContain(
      `event: log\nid: 42\ndata: ${JSON.stringify({ text: 'line\n\ndata: forged\n' })}\n\n`,
    );
    expect(client.text).toContain('"words":"Building, step 3"');
    expect(front.control.followed).toEqual([0]);
  });

  it.each([
    ['/_pool/events?from=7', [], 7],
    ['/_pool/events?from=7', ['Last-Event-ID: 42'], 42],
    ['/_pool/events', ['Last-Event-ID: -1'], 0],
    ['/_pool/events?from=x', [], 0],
    ['/_pool/events?from=1e999', [], 0],
    ['/_pool/events?from=1.5', [], 0],
    ['/_pool/events?from=', [], 0],
  ])('of %s with %o begin at %i', async (target, headers, from) => {
    await using front = await openFront(STATES.building);
    using client = new RawClient(front.port);
    client.send(`GET ${target} HTTP/1.1`, `Host: ${HOST}`, ...headers);
    await until('they are followed', () => front.control.followed.length === 1);
    expect(front.control.followed).toEqual([from]);
  });

  it('end with the visitor', async () => {
    await using front = await openFront(STATES.building);
    let over: AbortSignal | undefined;
    const follow = front.control.follow.bind(front.control);
    front.control.follow = (id, from, signal) => {
      over = signal;
      return follow(id, from, signal);
    };
    using client = new RawClient(front.port);
    client.send('GET /_pool/events HTTP/1.1', `Host: ${HOST}`);
    await until('they are followed', () => over !== undefined);
    client.socket.destroy();
    await until('it is over', () => over?.aborted === true);
    expect(over?.aborted).toBe(true);
  });
});

describe('retry', () => {
  it.each([
    ['a form of the same page', ['Sec-Fetch-Site: same-origin'], 303, 1],
    ['an address that was typed', ['Sec-Fetch-Site: none'], 303, 1],
    ['curl', [], 303, 1],
    ['another site', ['Sec-Fetch-Site: cross-site'], 403, 0],
    ['another preview', ['Sec-Fetch-Site: same-site'], 403, 0],
  ])('by %s: %o gives %i', async (_, headers, status, times) => {
    await using front = await openFront(STATES.failed);
    const answer = await raw(
      front.port,
      'POST /_pool/retry HTTP/1.1',
      `Host: ${HOST}`,
      CLOSE,
      'Content-Length: 0',
      ...headers,
    );
    expect(answer.status).toBe(status);
    expect(front.control.retried).toHaveLength(times);
    expect(answer.headers['location']).toBe(status === 303 ? '/' : undefined);
  });

  it('by an Origin that is another site is refused too: plain HTTP sends no Sec-Fetch-Site', async () => {
    await using front = await openFront(STATES.failed);
    const post = ['POST /_pool/retry HTTP/1.1', `Host: ${HOST}`, CLOSE, 'Content-Length: 0'];
    expect((await raw(front.port, ...post, 'Origin: http://evil.example')).status).toBe(403);
    expect((await raw(front.port, ...post, 'Origin: null')).status).toBe(403);
    expect(front.control.retried).toEqual([]);
    expect((await raw(front.port, ...post, `Origin: http://${HOST}`)).status).toBe(303);
  });

  it.each(['GET', 'HEAD', 'PUT'])('by %s is 405', async (method) => {
    await using front = await openFront(STATES.failed);
    const answer = await raw(front.port, `${method} /_pool/retry HTTP/1.1`, `Host: ${HOST}`, CLOSE);
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect(front.control.retried).toEqual([]);
  });
});

const post = (target: string) => [
  `POST ${target} HTTP/1.1`,
  `Host: ${HOST}`,
  CLOSE,
  'Content-Length: 0',
];

describe('rebuild', () => {
  it.each([
    ['/_pool/rebuild', true],
    ['/_pool/rebuild?pull=yes', true],
    ['/_pool/rebuild?pull=no', false],
  ])('at %s pulls base images: %s, and leads to the page that shows it', async (target, pull) => {
    await using front = await openFront(STATES.ready);
    const answer = await raw(front.port, ...post(target));
    expect(answer).toMatchObject({ status: 303, headers: { location: '/_pool/' } });
    expect(front.control.rebuilt).toEqual([{ id: ID, how: { pull } }]);
  });

  it('is refused while the preview is being made', async () => {
    await using front = await openFront(STATES.building);
    expect((await raw(front.port, ...post('/_pool/rebuild'))).status).toBe(409);
  });

  it('is refused to another site, and by GET', async () => {
    await using front = await openFront(STATES.ready);
    const foreign = await raw(front.port, ...post('/_pool/rebuild'), 'Origin: http://evil.example');
    expect(foreign.status).toBe(403);
    const get = await raw(front.port, 'GET /_pool/rebuild HTTP/1.1', `Host: ${HOST}`, CLOSE);
    expect(get).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect(front.control.rebuilt).toEqual([]);
  });
});
