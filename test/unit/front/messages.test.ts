import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { HOST, openReadyFront } from '../fixtures/front.ts';
import {
  httpServer,
  type Listening,
  parseAnswer,
  raw,
  RawClient,
  tcpServer,
} from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const CLOSE = 'Connection: close';
const GET = ['GET / HTTP/1.1', `Host: ${HOST}`, CLOSE];

/** An application that answers every connection's first bytes with just this, and closes. */
async function saying(...lines: readonly string[]): Promise<Listening> {
  return await tcpServer((socket) => {
    socket.once('data', () => socket.end(lines.join('\r\n'), 'latin1'));
  });
}

/** What an application got, byte for byte, of a request that these lines make. */
async function heardOf(...lines: readonly string[]): Promise<string> {
  let heard = '';
  await using app = await tcpServer((socket) => {
    socket.setEncoding('latin1').on('data', (text: string) => {
      heard += text;
      const isWhole = !/^transfer-encoding/im.test(heard) || heard.includes('\r\n0\r\n');
      if (isWhole && heard.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 204 No Content\r\n\r\n');
    });
  });
  await using front = await openReadyFront(app.port);
  await raw(front.port, ...lines);
  return heard;
}

describe('trailers', () => {
  it('of a request reach the application, and so does their announcement', async () => {
    const heard = await heardOf(
      'POST / HTTP/1.1',
      `Host: ${HOST}`,
      CLOSE,
      'Transfer-Encoding: chunked',
      'Trailer: X-Sum, x-other',
      '',
      '3',
      'abc',
      '0',
      'X-Sum: 1',
      'x-other: 2',
      'X-Sum: 3',
      'X-Forwarded-For: 10.0.0.1',
    );
    expect(heard).toContain('\r\nTrailer: X-Sum, x-other\r\n');
    expect(heard.slice(heard.indexOf('abc\r\n'))).toBe(
      'abc\r\n0\r\nX-Sum: 1\r\nx-other: 2\r\nX-Sum: 3\r\n\r\n',
    );
  });

  it('of an answer reach the visitor, and so does their announcement', async () => {
    await using app = await saying(
      'HTTP/1.1 200 OK',
      'Trailer: X-Sum',
      'Transfer-Encoding: chunked',
      '',
      '3',
      'abc',
      '0',
      'X-Sum: 1',
      'x-other: 2',
      '',
      '',
    );
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    const told = await client.send(...GET).ended;
    expect(told).toContain('\r\nTrailer: X-Sum\r\n');
    expect(told.endsWith('3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-other: 2\r\n\r\n')).toBe(true);
  });

  it.each([
    ['HEAD', 'HTTP/1.1', 'Transfer-Encoding: chunked'],
    ['GET', 'HTTP/1.0', 'Transfer-Encoding: chunked'],
    ['GET', 'HTTP/1.1', 'Content-Length: 0'],
  ])(
    'that have no place after %s by %s with %s are not announced',
    async (method, version, how) => {
      const body = method === 'GET' && how.endsWith('chunked') ? '0\r\n\r\n' : '';
      await using app = await saying('HTTP/1.1 200 OK', 'Trailer: X-Sum', how, '', body);
      await using front = await openReadyFront(app.port);
      const answer = await raw(front.port, `${method} / ${version}`, `Host: ${HOST}`, CLOSE);
      expect(answer.status).toBe(200);
      expect(answer.headers['trailer']).toBeUndefined();
    },
  );

  it('that a request with a length announces by mistake do no harm', async () => {
    const heard = await heardOf(...GET, 'Trailer: X-Sum', 'Content-Length: 0');
    expect(heard).toContain('Content-Length: 0\r\n');
    expect(heard).not.toContain('Trailer');
  });
});

describe('answers before the answer', () => {
  it('come as the application gives them, in order and case, less what is of its connection', async () => {
    const go = Promise.withResolvers<void>();
    await using app = await tcpServer((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 102 Processing\r\n\r\n');
        socket.write(
          'HTTP/1.1 103 Early Hints\r\nLINK: </a.css>\r\nx-B: 1\r\nKeep-Alive: 5\r\n\r\n',
        );
        void go.promise.then(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
      });
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...GET);
    const early =
      'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLINK: </a.css>\r\nx-B: 1\r\n\r\n';
    await until('the hints came', () => client.text.length >= early.length);
    expect(client.text).toBe(early);
    go.resolve();
    expect(parseAnswer((await client.ended).slice(early.length))).toMatchObject({
      status: 200,
      body: 'ok',
    });
  });

  it('are kept from HTTP/1.0, which knows none', async () => {
    await using app = await saying(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints',
      '',
      'HTTP/1.1 200 OK',
      'Content-Length: 2',
      '',
      'ok',
    );
    await using front = await openReadyFront(app.port);
    expect(await raw(front.port, 'GET / HTTP/1.0', `Host: ${HOST}`)).toMatchObject({
      status: 200,
      body: 'ok',
    });
  });
});

describe('an answer without a body', () => {
  it.each([
    ['HEAD', 'HTTP/1.1 200 OK', 'Content-Length: 1234'],
    ['GET', 'HTTP/1.1 304 Not Modified', 'Content-Length: 1234'],
    ['GET', 'HTTP/1.1 204 No Content', 'X-Any: 1'],
    ['HEAD', 'HTTP/1.1 404 Not Found', 'Transfer-Encoding: chunked'],
  ])('%s, %s with %s: ends at once, and the connection goes on', async (method, line, header) => {
    await using app = await tcpServer((socket) => {
      socket.on('data', () => socket.write(`${line}\r\n${header}\r\n\r\n`));
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    for (const times of [1, 2]) {
      client.send(`${method} / HTTP/1.1`, `Host: ${HOST}`);
      await until(`answer ${times} came`, () => client.text.split('\r\n\r\n').length === times + 1);
    }
    const { head } = parseAnswer(client.text);
    expect(head.startsWith(line)).toBe(true);
    expect(head.includes(header)).toBe(!header.startsWith('Transfer'));
    expect(app.open.size, 'the application keeps its connection too').toBe(1);
  });
});

describe('headers', () => {
  const large = `X-Large: ${'x'.repeat(30_000)}`;

  it('of 30 KB go both ways', async () => {
    expect(await heardOf(...GET, large)).toContain(large);
    await using app = await saying('HTTP/1.1 200 OK', large, 'Content-Length: 0', '', '');
    await using front = await openReadyFront(app.port);
    expect((await front.get('/')).head).toContain(large);
  });

  it('in their thousands are all there', async () => {
    const many = Array.from({ length: 3000 }, (_, index) => `X-${index}: ${index}`);
    expect(await heardOf(...GET, ...many, 'Last: 1')).toContain('\r\nLast: 1\r\n');
    await using app = await saying(
      'HTTP/1.1 200 OK',
      ...many,
      'Last: 1',
      'Content-Length: 0',
      '',
      '',
    );
    await using front = await openReadyFront(app.port);
    expect((await front.get('/')).headers['last']).toBe('1');
  });

  it('beyond ASCII come through byte for byte, both ways', async () => {
    const odd = 'X-Odd: caf\u00e9 \u00ff';
    const sent = Buffer.from(odd).toString('latin1');
    expect(await heardOf(...GET, odd)).toContain(`${sent}\r\n`);
    await using app = await saying('HTTP/1.1 200 caf\u00e9', odd, 'Content-Length: 2', '', 'ok');
    await using front = await openReadyFront(app.port);
    const { head } = await front.get('/');
    expect(head.startsWith('HTTP/1.1 200 caf\u00e9\r\n')).toBe(true);
    expect(head).toContain(odd);
  });

  it('of more than 64 KB are refused in words, and an answer with such is no answer', async () => {
    await using app = await saying('HTTP/1.1 200 OK', `X: ${'x'.repeat(70_000)}`, '', '');
    await using front = await openReadyFront(app.port);
    const answer = await raw(front.port, ...GET, `X-Large: ${'x'.repeat(70_000)}`);
    expect(answer).toMatchObject({ status: 431, headers: { connection: 'close' } });
    expect((await front.get('/')).status).toBe(502);
  });
});

it.each([
  [
    'of the application is kept',
    ['DATE: Thu, 01 Jan 2026 00:00:00 GMT'],
    /^DATE: Thu, 01 Jan 2026/m,
  ],
  ["is pool's where the application has no clock", [], /^Date: .+ GMT\r$/m],
])('the Date of an answer %s', async (_, headers, date) => {
  await using app = await saying('HTTP/1.1 200 OK', ...headers, 'Content-Length: 0', '', '');
  await using front = await openReadyFront(app.port);
  const { head } = await front.get('/');
  expect(head).toMatch(date);
  expect(head.match(/^date:/gim)).toHaveLength(1);
});

it.each(['gzip, chunked', 'gzip', 'identity'])(
  'an answer whose transfer coding is %s is not passed off as plain: 502',
  async (coding) => {
    const body = coding.endsWith('chunked') ? '3\r\nabc\r\n0\r\n\r\n' : 'abc';
    await using app = await saying('HTTP/1.1 200 OK', `Transfer-Encoding: ${coding}`, '', body);
    await using front = await openReadyFront(app.port);
    expect((await front.get('/')).status).toBe(502);
  },
);

it('events reach the visitor one by one, as the application writes them', async () => {
  const events: ServerResponse[] = [];
  await using app = await httpServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    events.push(response);
  });
  await using front = await openReadyFront(app.port);
  using client = new RawClient(front.port);
  client.send(...GET);
  await until('the answer began', () => client.text.includes('text/event-stream'));
  for (const event of ['data: one\n\n', 'data: two\n\n']) {
    events[0]?.write(event);
    await until(`${event.trim()} came`, () => client.text.includes(event));
  }
  expect(client.text).not.toContain('\r\n0\r\n');
});

it('an early answer is whole, and the rest of the upload still reaches the application', async () => {
  let got = 0;
  await using app = await httpServer((request, response) => {
    request.on('data', (data: Buffer) => (got += data.length));
    response.end('enough');
  });
  await using front = await openReadyFront(app.port);
  using client = new RawClient(front.port);
  client.send('POST / HTTP/1.1', `Host: ${HOST}`, 'Content-Length: 6000');
  client.socket.write('x'.repeat(1000));
  await until(
    'the answer is whole',
    () => client.text.endsWith('enough\r\n0\r\n\r\n') || client.text.endsWith('enough'),
  );
  client.socket.write('x'.repeat(5000));
  await until('the body is whole', () => got === 6000);
  client.send(...GET);
  expect((await client.ended).split('enough')).toHaveLength(3);
});
