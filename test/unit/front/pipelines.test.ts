import { describe, expect, it } from 'vitest';
import { HOST, openReadyFront } from '../fixtures/front.ts';
import { httpServer, parseAnswer, RawClient } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const POST = `POST / HTTP/1.1\r\nHost: ${HOST}\r\n`;
const GET = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

/** Each of these two parsers could take for two different requests, or is none. */
const DOUBTFUL: Record<string, string> = {
  'a length and chunks': `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'chunks and a length': `${POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
  'two lengths': `${POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
  'two lengths that agree': `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
  'a list of lengths': `${POST}Content-Length: 3, 3\r\n\r\nabc`,
  'a length with a sign': `${POST}Content-Length: +3\r\n\r\nabc`,
  'a length in hex': `${POST}Content-Length: 0x3\r\n\r\nabc`,
  'an empty length': `${POST}Content-Length:\r\n\r\nabc`,
  'a length beyond all numbers': `${POST}Content-Length: 99999999999999999999999\r\n\r\nabc`,
  'a folded header': `${POST}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`,
  'a header folded by a tab': `${POST}X: a\r\n\tb\r\nContent-Length: 0\r\n\r\n`,
  'a bare LF': `${POST}X: a\nContent-Length: 0\r\n\r\n`,
  'a bare CR': `${POST}X: a\rContent-Length: 0\r\n\r\n`,
  'only LF': `GET / HTTP/1.1\nHost: ${HOST}\n\n`,
  'space before a colon': `${POST}Content-Length : 3\r\n\r\nabc`,
  'space before the first header': `GET / HTTP/1.1\r\n X: b\r\nHost: ${HOST}\r\n\r\n`,
  'a header without a name': `${POST}: a\r\n\r\n`,
  'a header without a colon': `${POST}abc\r\n\r\n`,
  'NUL in a value': `${POST}X: a\0b\r\n\r\n`,
  'NUL in a name': `${POST}X\0: b\r\n\r\n`,
  'NUL in the target': `GET /\0 HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'a space in the target': `GET /a b HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'a fragment in the target': `GET /a#b HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'chunks, then gzip': `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
  'chunks twice': `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  'chunks in two headers': `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'chunks after a vertical tab': `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  'chunks in HTTP/1.0': `${POST.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a chunk size with 0x': `${CHUNKED}0x3\r\nabc\r\n0\r\n\r\n`,
  'a chunk size with a sign': `${CHUNKED}-3\r\nabc\r\n0\r\n\r\n`,
  'a chunk size beyond all numbers': `${CHUNKED}10000000000000003\r\nabc\r\n0\r\n\r\n`,
  'a chunk that ends in LF': `${CHUNKED}3\nabc\r\n0\r\n\r\n`,
  'a chunk longer than it says': `${CHUNKED}3\r\nabcX0\r\n\r\n`,
  'a length among the trailers': `${CHUNKED}0\r\nContent-Length: 5\r\n\r\n`,
  'a handshake with a body': `GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc`,
  'no HTTP': 'hello\r\n\r\n',
};

const OTHERS: Record<string, [status: number, bytes: string]> = {
  'the coding gzip': [501, `${POST}Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n`],
  'gzip, then chunks': [501, `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  'the name of HTTP/2': [505, `GET / HTTP/2.0\r\nHost: ${HOST}\r\n\r\n`],
  'a tunnel to elsewhere': [501, `CONNECT ${HOST}:80 HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`],
  'chunk extensions without end': [413, `${CHUNKED}3;${'a'.repeat(70_000)}`],
};

const ALL = [
  ...Object.entries(DOUBTFUL).map(([name, bytes]) => [name, 400, bytes] as const),
  ...Object.entries(OTHERS).map(([name, [status, bytes]]) => [name, status, bytes] as const),
];

describe('bytes that are refused in a short line, and the connection with them', () => {
  it.each(ALL)('%s: %i', async (_, status, bytes) => {
    await using app = await httpServer((request, response) => {
      request.resume();
      request.once('end', () => response.end('taken for whole'));
    });
    await using front = await openReadyFront(app.port);
    await front.get('/');
    using client = new RawClient(front.port);
    // What follows must never be read as a request of its own.
    client.socket.write(`${bytes}${GET}`, 'latin1');
    const told = await client.ended;
    const answer = parseAnswer(told);
    expect(answer.status).toBe(status);
    expect(answer.headers['connection']).toBe('close');
    expect(answer.body).toMatch(/^pool: .+\n$/);
    expect(answer.body.length, 'nothing follows it').toBeLessThan(100);
  });

  it('are never answered in the place of an earlier request', async () => {
    await using app = await httpServer(() => {});
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.socket.write(GET);
    await until('the application is asked', () => app.open.size === 1);
    client.socket.write('hello\r\n\r\n');
    expect(await client.ended).toBe('');
    await until('the application is free', () => app.open.size === 0);
  });

  it('after an answer are answered too', async () => {
    await using app = await httpServer((_, response) => response.end('ok'));
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.socket.write(GET);
    await until('it is answered', () => client.text.includes('ok'));
    client.socket.write('hello\r\n\r\n');
    expect(await client.ended).toMatch(/400 Bad Request[^]*pool: this is not HTTP\n$/);
  });

  it('in the middle of an answer end it: nothing is added to it', async () => {
    await using app = await httpServer((_, response) => response.write('half'));
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.socket.write(GET);
    await until('half an answer came', () => client.text.includes('half'));
    client.socket.write('hello\r\n\r\n');
    expect(await client.ended).toMatch(/half\r\n$/);
  });
});
