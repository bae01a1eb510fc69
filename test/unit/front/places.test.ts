import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/front/limits.ts';
import { type Place, Places } from '../../../src/front/places.ts';
import { ID } from '../fixtures/fake-control.ts';
import { HOST, openFront, openReadyFront } from '../fixtures/front.ts';
import { httpServer, parseAnswer, raw, RawClient, tcpServer } from '../fixtures/servers.ts';
import { NEVER, until } from '../fixtures/until.ts';

const FEW = { connections: 4, waiting: 2, waitingMs: 10_000 };
const GET = ['GET / HTTP/1.1', `Host: ${HOST}`, 'Connection: close'];
const upload = (length: number, ...headers: string[]) => [
  'POST / HTTP/1.1',
  `Host: ${HOST}`,
  `Content-Length: ${length}`,
  ...headers,
];

/** Takes a place, and tells in `list` when it has it. */
function taking(places: Places, list: Place[], { slow = false, over = NEVER } = {}) {
  return places.take(slow, over).then(
    (place) => void list.push(place),
    (error: unknown) => error,
  );
}

const free = (places: Places, place: Place | undefined) => place && places.free(place);

describe('places', () => {
  it('are as many as there may be connections; whoever comes later waits for his turn', async () => {
    const places = new Places(FEW);
    const had: Place[] = [];
    for (let index = 0; index < 4; index++) await taking(places, had);
    const [fifth, sixth] = [taking(places, had), taking(places, had)];
    expect(had).toHaveLength(4);
    free(places, had[0]);
    await fifth;
    expect(had).toHaveLength(5);
    free(places, had[1]);
    await sixth;
    expect(had).toHaveLength(6);
  });

  it('go to bodies that still arrive up to a half, and to others meanwhile', async () => {
    const places = new Places(FEW);
    const had: Place[] = [];
    await taking(places, had, { slow: true });
    await taking(places, had, { slow: true });
    const third = taking(places, had, { slow: true });
    await taking(places, had);
    expect(had).toHaveLength(3);
    if (had[0] !== undefined) places.arrived(had[0]);
    await third;
    expect(had).toHaveLength(4);
    free(places, had[0]);
    free(places, had[3]);
    await taking(places, had, { slow: true });
    await taking(places, had);
    expect(had).toHaveLength(6);
  });

  it('are refused where too many wait, and to whoever waited too long', async () => {
    const places = new Places({ ...FEW, connections: 1, waitingMs: 30 });
    const had: Place[] = [];
    await taking(places, had);
    const waiting = [taking(places, had), taking(places, had)];
    expect(await taking(places, had)).toMatchObject({ status: 503, retryAfterS: 5 });
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ status: 503 });
    free(places, had[0]);
    await taking(places, had);
    expect(had).toHaveLength(2);
  });

  it('have no line for those who left before they stood in it', async () => {
    const places = new Places({ connections: 1, waiting: 1, waitingMs: 10_000 });
    const had: Place[] = [];
    await taking(places, had);
    await taking(places, had, { over: AbortSignal.abort() });
    const next = taking(places, had);
    free(places, had[0]);
    expect(await next).toBeUndefined();
    expect(had).toHaveLength(2);
  });

  it('are not kept for those who leave the line', async () => {
    const places = new Places({ ...FEW, connections: 1 });
    const had: Place[] = [];
    await taking(places, had);
    const leaving = new AbortController();
    const left = taking(places, had, { over: leaving.signal });
    leaving.abort();
    free(places, had[0]);
    await left;
    expect(await taking(places, had, { over: AbortSignal.abort() })).toBeUndefined();
    free(places, had.at(-1));
    await taking(places, had);
    expect(had.length).toBeGreaterThan(1);
  });
});

it('what waits for a connection is not sent once its route is gone', async () => {
  const seen: (string | undefined)[] = [];
  await using app = await httpServer((request) => seen.push(request.url));
  await using front = await openReadyFront(app.port, {}, { limits: { connections: 1 } });
  const answers = [front.get('/busy')];
  await until('the first is there', () => seen.length === 1);
  answers.push(front.get('/waits'), front.get('/waits-too'));
  // Whatever was to happen at once has happened when another is answered.
  expect((await front.get('/_pool/nothing')).status).toBe(404);
  front.routes.withdraw(ID);
  for (const answer of await Promise.all(answers)) expect(answer.status).toBeGreaterThan(500);
  expect(seen).toEqual(['/busy']);
});

describe('a body that comes slowly', () => {
  it('takes no connection before its first bytes are here', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openReadyFront(app.port, {}, { limits: { firstBytesMs: 60_000 } });
    using client = new RawClient(front.port);
    client.send(...upload(6));
    await until('the head is read', () => front.control.visits.length === 1);
    // Whatever was to happen at once has happened when another is answered.
    expect((await front.get('/_pool/nothing')).status).toBe(404);
    expect(app.open.size).toBe(0);
    client.socket.write('abc');
    await until('the application is asked', () => app.open.size === 1);
    client.socket.write('def');
    await until('it is answered', () => client.text.includes('def'));
  });

  it('takes one after a while all the same, for the application may answer without it', async () => {
    await using app = await httpServer((_, response) => response.writeHead(413).end());
    await using front = await openReadyFront(app.port, {}, { limits: { firstBytesMs: 20 } });
    using client = new RawClient(front.port);
    client.send(...upload(6));
    await until('it is answered', () => client.text !== '');
    expect(parseAnswer(client.text).status).toBe(413);
  });

  it('takes one at once where it waits for a 100', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openReadyFront(app.port, {}, { limits: { firstBytesMs: 60_000 } });
    using client = new RawClient(front.port);
    client.send(...upload(6, 'Expect: 100-continue'));
    await until('it may go on', () => client.text !== '');
    expect(parseAnswer(client.text).status).toBe(100);
  });

  it('frees nothing that it had not: a visitor who leaves before his first byte', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    const limits = { firstBytesMs: 60_000, connections: 1 };
    await using front = await openReadyFront(app.port, {}, { limits });
    const client = new RawClient(front.port);
    client.send(...upload(6));
    await once(client.socket, 'connect');
    client.socket.destroy();
    for (const _ of [1, 2, 3]) expect((await front.get('/')).body).toBe('ok');
  });

  it('keeps nobody else out: a hundred trickle, and a visitor is answered', async () => {
    await using app = await httpServer((request, response) => {
      request.resume().once('end', () => response.end('ok'));
    });
    const limits = { connections: 20, waiting: 1000 };
    await using front = await openReadyFront(app.port, {}, { limits });
    const clients = Array.from({ length: 100 }, () => new RawClient(front.port));
    for (const { socket } of clients) socket.write(`${upload(6).join('\r\n')}\r\n\r\nabc`);
    await until('half of the connections are theirs', () => app.open.size === 10);
    for (const _ of [1, 2, 3]) expect((await raw(front.port, ...GET)).body).toBe('ok');
    expect(app.open.size).toBeLessThanOrEqual(20);
    for (const { socket } of clients) socket.write('def');
    await until('all are answered', () => clients.every(({ text }) => text.includes('ok')));
    for (const client of clients) client[Symbol.dispose]();
  });

  it('that is here whole with its head is not slow', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    const limits = { connections: 1, firstBytesMs: 60_000 };
    await using front = await openReadyFront(app.port, {}, { limits });
    // Half a place is none: only a body that is here whole gets one.
    using client = new RawClient(front.port);
    client.socket.write(`${upload(6, 'Connection: close').join('\r\n')}\r\n\r\nabcdef`);
    expect(parseAnswer(await client.ended)).toMatchObject({ status: 200, body: 'abcdef' });
  });
});

describe('an application whose connections are all in use', () => {
  it('makes others wait for a moment, and refuses them in words after that', async () => {
    await using app = await httpServer(() => {});
    const limits = { connections: 1, waitingMs: 30 };
    await using front = await openReadyFront(app.port, {}, { limits });
    using first = new RawClient(front.port);
    first.send(...GET);
    await until('it is asked', () => app.open.size === 1);
    const answer = await front.get('/');
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(JSON.parse(answer.body)).toMatchObject({ title: 'Too busy', status: 503 });
    expect(app.open.size).toBe(1);
  });

  it('has one again as soon as a visitor leaves', async () => {
    await using app = await httpServer((request, response) => {
      if (request.url === '/free') response.end('ok');
    });
    await using front = await openReadyFront(app.port, {}, { limits: { connections: 1 } });
    using first = new RawClient(front.port);
    first.send(...GET);
    await until('it is asked', () => app.open.size === 1);
    const next = front.get('/free');
    first.socket.destroy();
    expect((await next).body).toBe('ok');
  });

  it('refuses a WebSocket in words too', async () => {
    await using app = await httpServer(() => {});
    await using front = await openReadyFront(
      app.port,
      {},
      { limits: { connections: 0, waiting: 0 } },
    );
    using client = new RawClient(front.port);
    client.send('GET / HTTP/1.1', `Host: ${HOST}`, 'Connection: Upgrade', 'Upgrade: websocket');
    expect(parseAnswer(await client.ended)).toMatchObject({ status: 503 });
  });
});

describe('limits of time', () => {
  it('end a body of which nothing more comes: 408', async () => {
    await using app = await httpServer((request) => void request.resume());
    await using front = await openReadyFront(app.port, {}, { limits: { bodyIdleMs: 30 } });
    using client = new RawClient(front.port);
    client.socket.write(`${upload(6).join('\r\n')}\r\n\r\nabc`);
    const answer = parseAnswer(await client.ended);
    expect(answer).toMatchObject({ status: 408, headers: { connection: 'close' } });
    await until('the application is free', () => app.open.size === 0);
  });

  it('say so at the bare domain too, whose control plane is not away for that', async () => {
    await using desk = await httpServer(() => {});
    const settings = { deskPort: desk.port, limits: { bodyIdleMs: 30, firstBytesMs: 10 } };
    await using front = await openFront(undefined, settings);
    const answer = await raw(front.port, 'POST / HTTP/1.1', 'Host: pool.dev', 'Content-Length: 9');
    expect(answer.status).toBe(408);
  });

  it('let a body take as long as it likes while it moves', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openReadyFront(app.port, {}, { limits: { bodyIdleMs: 100 } });
    using client = new RawClient(front.port);
    client.send(...upload(20));
    for (let index = 0; index < 20; index++) {
      client.socket.write('x');
      await until('a moment passed', () => client.text.split('x').length > index + 1);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    expect(parseAnswer(client.text).status).toBe(200);
  });

  it('blame the application where it is its turn: 504, with a page that goes on', async () => {
    await using app = await tcpServer((socket) => socket.resume().once('end', () => socket.end()));
    const limits = { bodyIdleMs: 10, answerMs: 40 };
    await using front = await openReadyFront(app.port, {}, { limits });
    for (const lines of [GET, [...upload(6, 'Expect: 100-continue'), 'Connection: close']]) {
      const answer = await raw(front.port, ...lines);
      expect(answer).toMatchObject({ status: 504, headers: { 'retry-after': '5' } });
    }
    const page = await front.get('/', 'Accept: text/html');
    expect(page.status).toBe(504);
    expect(page.body).toContain('did not begin to answer within 0.04 s');
    await until('the application is free', () => app.open.size === 0);
  });

  it('let an answer be silent for as long as the application likes, once it began', async () => {
    const begun: ServerResponse[] = [];
    await using app = await httpServer((_, response) => {
      response.write('one');
      begun.push(response);
    });
    const limits = { bodyIdleMs: 10, answerMs: 20 };
    await using front = await openReadyFront(app.port, {}, { limits });
    using client = new RawClient(front.port);
    client.send(...GET);
    await until('it began', () => client.text.includes('one'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    begun[0]?.end('two');
    expect(parseAnswer(await client.ended)).toMatchObject({ status: 200, body: 'onetwo' });
  });

  it('free the application of a visitor who takes nothing of his answer', async () => {
    await using app = await httpServer((_, response) => {
      const more = () => {
        while (response.write('x'.repeat(100_000)));
      };
      response.on('drain', more);
      more();
    });
    const limits = { bodyIdleMs: 50, answerMs: 150 };
    await using front = await openReadyFront(app.port, {}, { limits });
    const socket = connect(front.port, '127.0.0.1');
    socket.write(`${GET.join('\r\n')}\r\n\r\n`);
    socket.on('error', () => {}).pause();
    await until('the application is asked', () => app.open.size === 1);
    await until('the application is free', () => app.open.size === 0, 5000);
    expect(socket.bytesRead).toBeLessThan(100_000);
    socket.destroy();
  });

  it('are what the limits say, in production', () => {
    expect(LIMITS).toMatchObject({ firstBytesMs: 250, bodyIdleMs: 60_000, answerMs: 300_000 });
  });
});
