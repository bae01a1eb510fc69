import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';
import { buffer, text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { COMMIT } from '../fixtures/fake-control.ts';
import { HOST, openReadyFront } from '../fixtures/front.ts';
import { httpServer, parseAnswer, raw, RawClient, tcpServer } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const GET = ['GET / HTTP/1.1', `Host: ${HOST}`];
const CLOSE = 'Connection: close';

function pairs({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : [],
  );
}

describe('a request reaches the application as it was sent', () => {
  it('with path, query, order and case of its headers', async () => {
    let seen: { url: string; headers: string[] } | undefined;
    await using app = await httpServer((request, response) => {
      seen = { url: request.url ?? '', headers: pairs(request) };
      response.end('ok');
    });
    await using front = await openReadyFront(app.port);
    await raw(
      front.port,
      'GET /a//b/../c%2f?x=1&x=%20 HTTP/1.1',
      'hOST: ' + HOST,
      'x-B: 1',
      'X-A: 2',
      'x-b: 3',
      'Cookie: a=b',
      'Connection: close, x-hop',
      'X-Hop: 1',
      'Keep-Alive: timeout=9',
      'TE: trailers',
      'X-Forwarded-For: 10.0.0.1',
      'Forwarded: for=10.0.0.1',
      'X-Real-IP: 10.0.0.1',
    );
    expect(seen?.url).toBe('/a//b/../c%2f?x=1&x=%20');
    expect(seen?.headers.filter((header) => !/^connection:/i.test(header))).toEqual([
      `hOST: ${HOST}`,
      'x-B: 1',
      'X-A: 2',
      'x-b: 3',
      'Cookie: a=b',
      'X-Forwarded-For: 127.0.0.1',
      `X-Forwarded-Host: ${HOST}`,
      'X-Forwarded-Proto: http',
      `Forwarded: for=127.0.0.1;host="${HOST}";proto=http`,
    ]);
  });

  it('in origin-form, also where the target was absolute', async () => {
    await using app = await httpServer((request, response) => response.end(request.url));
    await using front = await openReadyFront(app.port);
    for (const [target, path] of [
      [`http://${HOST}/a?b=http://x/`, '/a?b=http://x/'],
      [`http://${HOST}`, '/'],
      [`http://${HOST.toUpperCase()}?x`, '/?x'],
    ]) {
      expect((await raw(front.port, `GET ${target} HTTP/1.1`, `Host: ${HOST}`, CLOSE)).body).toBe(
        path,
      );
    }
  });

  it('with a body of a megabyte, whole, and back again', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openReadyFront(app.port);
    const body = Buffer.alloc(
      1_000_003,
      Uint8Array.from({ length: 251 }, (_, index) => index),
    );
    for (const headers of [{ 'content-length': body.length }, { 'transfer-encoding': 'chunked' }]) {
      const request = httpRequest({
        port: front.port,
        method: 'POST',
        headers: { host: HOST, ...headers },
        agent: false,
      });
      request.end(body);
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      expect((await buffer(answer)).equals(body)).toBe(true);
    }
  });

  it('and never as two: a body has its length also where Connection names that', async () => {
    const seen: string[] = [];
    await using app = await httpServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      request.resume();
      response.end('ok');
    });
    await using front = await openReadyFront(app.port);
    const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
    for (const method of ['GET', 'DELETE', 'OPTIONS', 'POST']) {
      using client = new RawClient(front.port);
      client.socket.write(
        [
          `${method} /first HTTP/1.1`,
          `Host: ${HOST}`,
          'Connection: content-length',
          `Content-Length: ${smuggled.length}`,
          '',
          smuggled,
        ].join('\r\n'),
      );
      await until(`${method} is answered`, () => client.text.includes('\r\n\r\n'));
      await front.get('/next');
    }
    expect(seen.filter((line) => line.includes('/smuggled'))).toEqual([]);
  });

  it('with its Host also where Connection names that', async () => {
    await using app = await httpServer((request, response) => response.end(request.headers.host));
    await using front = await openReadyFront(app.port);
    const answer = await raw(front.port, ...GET, 'Connection: close, host');
    expect(answer.body).toBe(HOST);
  });
});

describe('an answer reaches the visitor as it was sent', () => {
  it('with status line, order, case and doubles of its headers', async () => {
    await using app = await tcpServer((socket) => {
      socket.once('data', () =>
        socket.end(
          [
            'HTTP/1.1 299 Just So',
            'x-B: 1',
            'SET-COOKIE: a=1; Path=/',
            'Set-Cookie: b=2',
            'Connection: close, x-hop',
            'X-Hop: 1',
            'Keep-Alive: timeout=1',
            'X-Pool-Commit: forged',
            'Content-Length: 2',
            '',
            'ok',
          ].join('\r\n'),
        ),
      );
    });
    await using front = await openReadyFront(app.port);
    const { head, body } = await raw(front.port, ...GET, CLOSE);
    expect(head.split('\r\n').filter((line) => !/^(connection|date):/i.test(line))).toEqual([
      'HTTP/1.1 299 Just So',
      'x-B: 1',
      'SET-COOKIE: a=1; Path=/',
      'Set-Cookie: b=2',
      'Content-Length: 2',
      `X-Pool-Commit: ${COMMIT}`,
      'X-Robots-Tag: noindex',
    ]);
    expect(body).toBe('ok');
  });

  it.each([
    ['HEAD', 200, { 'content-length': '1234' }],
    ['GET', 204, {}],
    ['GET', 304, { etag: '"a"', 'content-length': '1234' }],
    ['HEAD', 304, {}],
    ['HEAD', 404, { 'content-length': '9' }],
  ])(
    'to %s with %i: without a body, and the connection goes on',
    async (method, status, headers) => {
      await using app = await httpServer((_, response) =>
        response.writeHead(status, headers).end(),
      );
      await using front = await openReadyFront(app.port);
      using client = new RawClient(front.port);
      client.send(`${method} / HTTP/1.1`, `Host: ${HOST}`);
      await until('it is answered', () => client.text.includes('\r\n\r\n'));
      const first = parseAnswer(client.text);
      expect(first).toMatchObject({ status, body: '' });
      expect(first.headers).toMatchObject(headers);
      client.text = '';
      client.send(`${method} / HTTP/1.1`, `Host: ${HOST}`, CLOSE);
      expect(parseAnswer(await client.ended)).toMatchObject({ status, body: '' });
    },
  );

  it('as it comes: the first part is there before the second is made', async () => {
    const more = Promise.withResolvers<void>();
    await using app = await httpServer((_, response) => {
      response.write('first');
      void more.promise.then(() => response.end('second'));
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...GET, CLOSE);
    await until('the first part is there', () => client.text.includes('first'));
    more.resolve();
    expect(parseAnswer(await client.ended).body).toBe('firstsecond');
  });

  it('with the head before any body', async () => {
    await using app = await httpServer((_, response) => response.flushHeaders());
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...GET);
    await until('the head is there', () => client.text.includes('\r\n\r\n'));
    expect(parseAnswer(client.text).status).toBe(200);
  });
});

describe('an application that dies', () => {
  it.each([
    ['with a length', 'Content-Length: 100\r\n\r\nonly so much'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nonly \r\n'],
    ['inside a chunk', 'Transfer-Encoding: chunked\r\n\r\nff\r\nonly '],
  ])('in the middle of a body %s cuts the answer: nobody takes it for whole', async (_, rest) => {
    await using app = await tcpServer((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
        setTimeout(() => socket.destroy(), 20);
      });
    });
    await using front = await openReadyFront(app.port);
    const request = httpRequest({ port: front.port, headers: { host: HOST }, agent: false }).end();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    await expect(text(answer)).rejects.toThrow('aborted');
    expect(answer.complete).toBe(false);
  });

  it('in the middle of a body without a length cuts the answer too, also for HTTP/1.0', async () => {
    await using app = await tcpServer((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nonly so much');
        setTimeout(() => socket.resetAndDestroy(), 20);
      });
    });
    await using front = await openReadyFront(app.port);
    using modern = new RawClient(front.port);
    const told = await modern.send(...GET, CLOSE).ended;
    expect(told).toContain('only so much');
    expect(told).not.toContain('\r\n0\r\n');
    using old = new RawClient(front.port);
    let reset: unknown;
    old.socket.once('error', ({ code }: NodeJS.ErrnoException) => (reset = code));
    await old.send('GET / HTTP/1.0', `Host: ${HOST}`).ended;
    expect(reset, 'the mere end would be the end of the body').toBe('ECONNRESET');
  });

  it('cuts also an answer that came behind another one, which stays whole', async () => {
    await using app = await httpServer((request, response) => {
      if (request.url === '/a') return void response.end('whole');
      response.writeHead(200, { 'content-length': 9 }).write('half');
      setTimeout(() => request.socket.destroy(), 20);
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send('GET /a HTTP/1.1', `Host: ${HOST}`);
    client.send('GET /b HTTP/1.1', `Host: ${HOST}`);
    expect(await client.ended).toMatch(/whole[^]*half$/);
  });

  it.each([
    ['closes at once', (socket: { destroy(): void }) => socket.destroy()],
    [
      'speaks no HTTP',
      (socket: { destroy(): void; end(text: string): void }) => socket.end('220 smtp\r\n'),
    ],
  ])('or %s is told as 502', async (_, accept) => {
    await using app = await tcpServer((socket) => {
      socket.once('data', () => accept(socket));
    });
    await using front = await openReadyFront(app.port);
    const answer = await front.get('/');
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({ status: 502, title: 'No answer' });
    const page = await front.get('/', 'Accept: text/html');
    expect(page.status).toBe(502);
    expect(page.headers).toMatchObject({ 'retry-after': '2', 'cache-control': 'no-store' });
  });

  it('or is gone is told as 502', async () => {
    const app = await httpServer(() => {});
    await app[Symbol.asyncDispose]();
    await using front = await openReadyFront(app.port);
    const answer = await front.get('/');
    // The engine's word on it is but a moment away.
    expect(answer).toMatchObject({ status: 502, headers: { 'retry-after': '1' } });
    const page = await front.get('/', 'Accept: text/html');
    expect(page).toMatchObject({ status: 502, headers: { 'retry-after': '1' } });
    expect(page.body).toContain('data-every="1"');
  });
});

describe('a visitor who leaves frees the application', () => {
  it('before it answered, and nothing of it is logged as an error', async () => {
    await using app = await httpServer(() => {});
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...GET);
    await until('the application is asked', () => app.open.size === 1);
    client.socket.destroy();
    await until('the application is free', () => app.open.size === 0);
    expect(front.events).toEqual([]);
  });

  it('while it streams', async () => {
    await using app = await httpServer((_, response) => {
      const timer = setInterval(() => response.write('x'.repeat(1000)), 2);
      response.once('close', () => clearInterval(timer));
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...GET);
    await until('something came', () => client.text.length > 2000);
    client.socket.destroy();
    await until('the application is free', () => app.open.size === 0);
    expect(app.open.size).toBe(0);
  });

  it('while he uploads', async () => {
    let aborted = false;
    await using app = await httpServer((request) => {
      request.on('error', () => (aborted = true)).resume();
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send('POST / HTTP/1.1', `Host: ${HOST}`, 'Content-Length: 1000000');
    client.socket.write('x'.repeat(1000));
    await until('the application is asked', () => app.open.size === 1);
    client.socket.destroy();
    await until('the application is free', () => app.open.size === 0);
    expect(aborted).toBe(true);
  });
});

describe('Expect: 100-continue goes from end to end', () => {
  it('where the application wants the body', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(
      'POST / HTTP/1.1',
      `Host: ${HOST}`,
      'Expect: 100-continue',
      'Content-Length: 5',
      CLOSE,
    );
    await until('it may go on', () => client.text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
    client.socket.write('hello');
    const told = await client.ended;
    expect(parseAnswer(told.slice('HTTP/1.1 100 Continue\r\n\r\n'.length))).toMatchObject({
      status: 200,
      body: 'hello',
    });
  });

  it('where the application refuses it', async () => {
    await using app = await tcpServer((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno'));
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send('POST / HTTP/1.1', `Host: ${HOST}`, 'Expect: 100-continue', 'Content-Length: 5');
    await until('it is answered', () => client.text.endsWith('no'));
    expect(parseAnswer(client.text)).toMatchObject({ status: 417, body: 'no' });
  });
});

/** Answers the first request of each connection, and closes at the second one. */
async function forgetful() {
  const requests: string[] = [];
  let connections = 0;
  const server = await tcpServer((socket) => {
    connections += 1;
    let answered = false;
    socket.on('data', (data) => {
      requests.push(data.toString().split(' ')[0] ?? '');
      if (answered) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      answered = true;
    });
  });
  return { server, requests, connections: () => connections };
}

describe('an application that speaks no proper HTTP gets a 502 written in its name', () => {
  it.each([
    ['a status that nobody may send', 'HTTP/1.1 000 X'],
    ['a status below 100', 'HTTP/1.1 099 X'],
    ['a 101 that nobody asked for', 'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: foo'],
    ['words that are none', 'SMTP ready'],
  ])('%s', async (_, head) => {
    await using app = await tcpServer((socket) => {
      socket.once('data', () => socket.end(`${head}\r\ncontent-length: 0\r\n\r\n`));
    });
    await using front = await openReadyFront(app.port);
    const { status } = await raw(front.port, ...GET, CLOSE);
    expect(status).toBe(502);
  });
});

describe('an idle connection that the application closed', () => {
  it.each(['GET', 'HEAD', 'OPTIONS'])(
    'costs a %s nothing: it is sent once more',
    async (method) => {
      const { server, requests, connections } = await forgetful();
      await using app = server;
      await using front = await openReadyFront(app.port);
      await front.get('/');
      await until('the connection is idle', () => connections() === 1);
      const answer = await raw(front.port, `${method} / HTTP/1.1`, `Host: ${HOST}`, CLOSE);
      expect(answer.status).toBe(200);
      expect(requests).toEqual(['GET', method, method]);
    },
  );

  it.each([
    ['POST', ['Content-Length: 0']],
    ['POST', ['Content-Length: 2']],
    ['PUT', ['Content-Length: 2']],
    ['DELETE', []],
    ['GET', ['Content-Length: 2']],
  ])('never makes a %s with %o be sent twice', async (method, headers) => {
    const { server, requests } = await forgetful();
    await using app = server;
    await using front = await openReadyFront(app.port);
    await front.get('/');
    using client = new RawClient(front.port);
    client.send(`${method} / HTTP/1.1`, `Host: ${HOST}`, CLOSE, ...headers);
    if (headers[0]?.endsWith('2')) client.socket.write('hi');
    expect(parseAnswer(await client.ended).status).toBe(502);
    expect(requests.filter((one) => one === method)).toHaveLength(method === 'GET' ? 2 : 1);
  });

  it('costs one repetition, and no more', async () => {
    let asked = 0;
    await using app = await tcpServer((socket) => {
      socket.on('data', () => {
        asked += 1;
        if (asked === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        else socket.destroy();
      });
    });
    await using front = await openReadyFront(app.port);
    await front.get('/');
    expect((await front.get('/')).status).toBe(502);
    expect(asked).toBe(3);
  });
});

describe('connections', () => {
  it('to the application are used again', async () => {
    let connections = 0;
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let index = 0; index < 20; index++) {
      const request = httpRequest({ port: front.port, headers: { host: HOST }, agent }).end();
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      await text(answer);
      connections = Math.max(connections, app.open.size);
    }
    agent.destroy();
    expect(connections).toBe(1);
  });

  it('carry pipelined requests one after the other', async () => {
    await using app = await httpServer((request, response) => {
      setTimeout(() => response.end(request.url), request.url === '/a' ? 20 : 0);
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    for (const path of ['/a', '/b']) client.send(`GET ${path} HTTP/1.1`, `Host: ${HOST}`);
    client.send('GET /c HTTP/1.1', `Host: ${HOST}`, CLOSE);
    const told = await client.ended;
    expect([...told.matchAll(/^\/[abc]|\n\/[abc]/g)].map(([path]) => path.trim()).join(' ')).toBe(
      '/a /b /c',
    );
  });
});

describe('requests that are written ahead on one connection', () => {
  it('are begun when the one before was answered: a POST may change what they see', async () => {
    const seen: string[] = [];
    const first = Promise.withResolvers<void>();
    await using app = await httpServer((request, response) => {
      seen.push(request.url ?? '');
      const answer = () => response.end(request.url);
      if (request.url === '/a') void first.promise.then(answer);
      else answer();
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send('POST /a HTTP/1.1', `Host: ${HOST}`, 'Content-Length: 0');
    client.send('GET /b HTTP/1.1', `Host: ${HOST}`).send('GET /c HTTP/1.1', `Host: ${HOST}`, CLOSE);
    await until('the first is asked', () => seen.length === 1);
    await front.get('/other');
    expect(seen).toEqual(['/a', '/other']);
    first.resolve();
    await client.ended;
    expect(seen).toEqual(['/a', '/other', '/b', '/c']);
  });

  it('are given up in their hundreds, and so is a handshake among them', async () => {
    await using app = await httpServer(() => {});
    await using front = await openReadyFront(app.port);
    const get = `${GET.join('\r\n')}\r\n\r\n`;
    const handshake = `${GET.join('\r\n')}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    for (const bytes of [get.repeat(102), get + handshake]) {
      using client = new RawClient(front.port);
      client.socket.write(bytes);
      expect(await client.ended).toBe('');
    }
    await until('the application is free', () => app.open.size === 0);
  });

  it('are thousands, one after the other, while each is answered', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    for (let round = 1; round <= 20; round++) {
      client.socket.write(`${GET.join('\r\n')}\r\n\r\n`.repeat(50));
      await until('they are answered', () => client.text.split('HTTP/1.1 200').length > round * 50);
    }
    expect(client.text.split('HTTP/1.1 200')).toHaveLength(1001);
  });
});

describe('a port of the address', () => {
  it('picks out of those that are published', async () => {
    await using one = await httpServer((_, response) => response.end('default'));
    await using other = await httpServer((_, response) => response.end('other'));
    await using front = await openReadyFront(one.port, { 9229: other.port });
    const host = `Host: ${COMMIT}---9229.pool.dev`;
    expect((await raw(front.port, 'GET / HTTP/1.1', host, CLOSE)).body).toBe('other');
  });

  it('that is not published is 404, and those that are get listed', async () => {
    await using one = await httpServer((_, response) => response.end('default'));
    await using front = await openReadyFront(one.port, { 9229: one.port });
    const host = `Host: ${COMMIT}---${one.port}.pool.dev`;
    const answer = await raw(front.port, 'GET / HTTP/1.1', host, CLOSE);
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body)).toMatchObject({
      choices: [{ name: 'port 3000' }, { name: 'port 9229' }],
    });
  });
});
