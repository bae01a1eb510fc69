import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { COMMIT, ID } from '../fixtures/fake-control.ts';
import { type FrontSettings, HOST, openReadyFront, type TestFront } from '../fixtures/front.ts';
import { type Listening, listening, parseAnswer, raw, RawClient } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const CLOSE = 'Connection: close';
const GET = ['GET /a?b=%20 HTTP/1.1', `Host: ${HOST}`];

type Answer = (stream: ServerHttp2Stream, headers: readonly string[]) => void;

/** An application that speaks HTTP/2 with prior knowledge, and nothing else. */
async function h2cServer(answer: Answer): Promise<Listening> {
  const server: Http2Server = createServer();
  server.on('stream', (stream, _headers, _flags, headers) => {
    stream.on('error', () => {});
    answer(stream, headers);
  });
  return await listening(server);
}

async function openH2cFront(port: number, settings: FrontSettings = {}): Promise<TestFront> {
  return await openReadyFront(port, {}, { ...settings, protocol: 'h2c' });
}

const value = (headers: readonly string[], name: string) => headers[headers.indexOf(name) + 1];

describe('an application that speaks only HTTP/2 without TLS', () => {
  it('gets ordinary requests, in its words', async () => {
    let got: readonly string[] = [];
    await using app = await h2cServer((stream, headers) => {
      got = headers;
      stream.respond({ ':status': 299, 'x-b': '1', 'set-cookie': ['a=1', 'b=2'] });
      stream.end('hello');
    });
    await using front = await openH2cFront(app.port);
    const headers = ['X-B: 1', 'x-a: 2', 'X-b: 3', 'Connection: close, X-Hop', 'X-Hop: 1', 'TE: x'];
    const answer = await raw(front.port, ...GET, ...headers);
    expect(got.slice(0, 14)).toEqual(
      [':method', 'GET', ':scheme', 'http', ':authority', HOST, ':path', '/a?b=%20'].concat(
        'x-b',
        '1',
        'x-a',
        '2',
        'x-b',
        '3',
      ),
    );
    expect(value(got, 'x-forwarded-for')).toBe('127.0.0.1');
    expect(got).not.toContain('x-hop');
    expect(got).not.toContain('connection');
    expect(answer).toMatchObject({
      status: 299,
      body: 'hello',
      headers: { 'x-pool-commit': COMMIT },
    });
    expect(answer.head).toContain('set-cookie: a=1\r\nset-cookie: b=2\r\n');
    expect(answer.head).not.toContain(':status');
  });

  it('pushes nothing that nobody asked for: when its route goes, that would end pool', async () => {
    await using app = await h2cServer((stream) => {
      if (stream.pushAllowed) {
        stream.pushStream({ ':path': '/pushed' }, (_error, pushed) => {
          pushed.on('error', () => {}).respond({ ':status': 200 });
        });
      }
      stream.respond({ ':status': 200 });
      stream.write(`push ${stream.pushAllowed ? 'allowed' : 'refused'}`);
    });
    await using front = await openH2cFront(app.port);
    using client = new RawClient(front.port).send(...GET);
    await until('half an answer came', () => client.text.includes('push '));
    front.routes.withdraw(ID);
    expect(await client.ended).toContain('push refused');
  });

  it('may say what has no name yet before its answer', async () => {
    await using app = await h2cServer((stream) => {
      stream.additionalHeaders({ ':status': 199 });
      stream.respond({ ':status': 200 });
      stream.end();
    });
    await using front = await openH2cFront(app.port);
    expect((await front.get('/')).head).toBe('HTTP/1.1 199 ');
  });

  it('gets bodies and gives them, on one connection for all', async () => {
    await using app = await h2cServer((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    await using front = await openH2cFront(app.port);
    const body = 'x'.repeat(200_000);
    const length = ['POST / HTTP/1.1', `Host: ${HOST}`, CLOSE, `Content-Length: ${body.length}`];
    const answers = await Promise.all(
      Array.from({ length: 5 }, async () => {
        using client = new RawClient(front.port);
        client.send(...length).socket.write(body);
        return parseAnswer(await client.ended);
      }),
    );
    for (const answer of answers) expect(answer.body === body).toBe(true);
    expect(app.open.size).toBe(1);
  });

  it('gets more requests at once than it takes: the rest wait', async () => {
    const server = createServer({ settings: { maxConcurrentStreams: 5 } });
    let most = 0;
    let now = 0;
    server.on('stream', (stream) => {
      most = Math.max(most, (now += 1));
      setTimeout(() => {
        now -= 1;
        stream.respond({ ':status': 200 });
        stream.end('ok');
      }, 5);
    });
    await using app = await listening(server);
    await using front = await openH2cFront(app.port);
    await front.get('/');
    const answers = await Promise.all(Array.from({ length: 40 }, () => front.get('/')));
    expect(answers.every(({ body }) => body === 'ok')).toBe(true);
    expect(most).toBeLessThanOrEqual(5);
  });

  it('is asked with trailers and hints, both ways', async () => {
    let sum: unknown;
    await using app = await h2cServer((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
      stream.on('trailers', (trailers) => (sum = trailers['x-sum']));
      stream.resume().once('end', () => {
        stream.respond({ ':status': 200, trailer: 'x-sum' }, { waitForTrailers: true });
        stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '2' }));
        stream.end('abc');
      });
    });
    await using front = await openH2cFront(app.port);
    using client = new RawClient(front.port);
    client.send(
      'POST / HTTP/1.1',
      `Host: ${HOST}`,
      CLOSE,
      'Transfer-Encoding: chunked',
      'Trailer: X-Sum',
    );
    client.socket.write('3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n');
    const told = await client.ended;
    expect(sum).toBe('1');
    expect(
      told.startsWith('HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n'),
    ).toBe(true);
    expect(told).toContain('trailer: x-sum\r\n');
    expect(told.endsWith('3\r\nabc\r\n0\r\nx-sum: 2\r\n\r\n')).toBe(true);
  });

  it('gives its 100 itself', async () => {
    const server = createServer(() => {});
    server.on('checkContinue', (request, response) => {
      response.writeContinue();
      request.pipe(response);
    });
    await using app = await listening(server);
    await using front = await openH2cFront(app.port);
    using client = new RawClient(front.port);
    client.send(
      'POST / HTTP/1.1',
      `Host: ${HOST}`,
      CLOSE,
      'Expect: 100-continue',
      'Content-Length: 2',
    );
    await until('it may go on', () => client.text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
    client.socket.write('hi');
    expect((await client.ended).endsWith('hi\r\n0\r\n\r\n')).toBe(true);
  });

  it.each(['HEAD', 'OPTIONS', 'DELETE'])('is asked by %s', async (method) => {
    await using app = await h2cServer((stream, headers) => {
      stream.respond({
        ':status': 200,
        'x-method': value(headers, ':method'),
        'content-length': 0,
      });
      stream.end();
    });
    await using front = await openH2cFront(app.port);
    const answer = await raw(front.port, `${method} / HTTP/1.1`, `Host: ${HOST}`, CLOSE);
    expect(answer).toMatchObject({ status: 200, body: '', headers: { 'x-method': method } });
  });

  it.each([
    ['resets it', (stream: ServerHttp2Stream) => void stream.destroy(new Error('bug'))],
    ['loses its connection', (stream: ServerHttp2Stream) => void stream.session?.socket.destroy()],
    ['goes', (stream: ServerHttp2Stream) => stream.session?.destroy()],
  ])('and %s in the middle of an answer cuts that: nobody takes it for whole', async (_, end) => {
    await using app = await h2cServer((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half');
      setTimeout(() => end(stream), 20);
    });
    await using front = await openH2cFront(app.port);
    using client = new RawClient(front.port);
    const told = await client.send(...GET).ended;
    expect(told).toContain('half');
    expect(told).not.toContain('\r\n0\r\n');
  });

  it('and closes before an answer is told as 502; the next request has a new connection', async () => {
    let asked = 0;
    await using app = await h2cServer((stream) => {
      asked += 1;
      if (asked === 1) return void stream.session?.socket.destroy();
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
    await using front = await openH2cFront(app.port);
    expect((await front.get('/')).status).toBe(502);
    expect((await front.get('/')).body).toBe('ok');
  });

  it('and closes an idle connection costs a GET nothing, and never makes a POST be sent twice', async () => {
    const asked: string[] = [];
    let closes = false;
    await using app = await h2cServer((stream, headers) => {
      asked.push(value(headers, ':method') ?? '');
      if (closes) {
        closes = false;
        return void stream.session?.socket.destroy();
      }
      stream.respond({ ':status': 200 });
      stream.end('ok');
    });
    await using front = await openH2cFront(app.port);
    await front.get('/');
    closes = true;
    expect((await front.get('/')).body).toBe('ok');
    closes = true;
    expect((await raw(front.port, 'POST / HTTP/1.1', `Host: ${HOST}`, CLOSE)).status).toBe(502);
    expect(asked).toEqual(['GET', 'GET', 'GET', 'POST']);
  });

  it('and is gone is told as 502', async () => {
    const app = await h2cServer(() => {});
    await app[Symbol.asyncDispose]();
    await using front = await openH2cFront(app.port);
    expect((await front.get('/')).status).toBe(502);
  });

  it('is free as soon as a visitor leaves', async () => {
    let closed = 0;
    await using app = await h2cServer((stream) => {
      stream.once('close', () => (closed += 1));
      stream.respond({ ':status': 200 });
      stream.write('half');
    });
    await using front = await openH2cFront(app.port, { limits: { connections: 1 } });
    for (const times of [1, 2]) {
      const client = new RawClient(front.port).send(...GET);
      await until('it streams', () => client.text.includes('half'));
      client.socket.destroy();
      await until('it is told', () => closed === times);
    }
    expect(app.open.size).toBe(1);
  });

  it('ends with its route', async () => {
    await using app = await h2cServer((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half');
    });
    await using front = await openH2cFront(app.port);
    using client = new RawClient(front.port).send(...GET);
    await until('it streams', () => client.text.includes('half'));
    front.ready(1);
    expect(await client.ended).not.toContain('\r\n0\r\n');
    await until('the application is free', () => app.open.size === 0);
  });

  it('is reached by no WebSocket, which is told so', async () => {
    await using app = await h2cServer(() => {});
    await using front = await openH2cFront(app.port);
    const answer = await raw(front.port, ...GET, 'Connection: Upgrade', 'Upgrade: websocket');
    expect(answer.status).toBe(501);
    expect(JSON.parse(answer.body)).toMatchObject({ title: 'No WebSocket' });
    expect(app.open.size).toBe(0);
  });
});
