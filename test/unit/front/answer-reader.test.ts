import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from '../../../src/front/answer-reader.ts';
import { seeded } from '../fixtures/numbers.ts';
import { tcpServer } from '../fixtures/servers.ts';

/** What a reader made of an answer. */
interface Reading {
  status: number;
  headers: readonly string[];
  body: string;
  trailers: readonly string[];
}

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

/** Reads an answer that comes in pieces, after which the connection ends; nothing where it is refused. */
function read(pieces: readonly string[], toHead = false): Reading | undefined {
  const got: Reading = { status: 0, headers: [], body: '', trailers: [] };
  const parts = {
    onInterim() {},
    onAnswer: ({ status, headers }: Pick<Reading, 'status' | 'headers'>) =>
      Object.assign(got, { status, headers }),
    onData(bytes: Buffer) {
      got.body += bytes.toString('latin1');
      return false;
    },
    onEnd: (trailers: readonly string[]) => Object.assign(got, { trailers }),
  };
  const reader = new AnswerReader(parts, toHead);
  try {
    for (const piece of pieces) reader.push(Buffer.from(piece, 'latin1'));
    if (!reader.done) reader.end();
    return got;
  } catch {
    return undefined;
  }
}

/** Whether bytes are left over when an answer is whole. */
function hasSurplus(answer: string): boolean {
  const parts = { onInterim() {}, onAnswer() {}, onData: () => false, onEnd() {} };
  const reader = new AnswerReader(parts, false);
  const whole = [...answer].findIndex((byte) => {
    reader.push(Buffer.from(byte, 'latin1'));
    return reader.done;
  });
  return whole !== -1 && whole < answer.length - 1;
}

/** The same by Node's own client. */
async function readByNode(port: number): Promise<Reading | undefined> {
  const { promise, resolve } = Promise.withResolvers<Reading | undefined>();
  const refuse = () => resolve(undefined);
  request({ port, host: '127.0.0.1', agent: false }, async (answer) => {
    const { statusCode: status = 0, rawHeaders: headers } = answer;
    try {
      const body = Buffer.concat((await answer.toArray()) as Buffer[]).toString('latin1');
      resolve({ status, headers, body, trailers: answer.rawTrailers });
    } catch {
      refuse();
    }
  })
    .once('error', refuse)
    .once('upgrade', refuse)
    .end();
  return await promise;
}

const ANSWERS = [
  `${OK}Content-Length: 5\r\nX-A: 1\r\nx-a:2 \r\n\r\nhello`,
  `${OK}\r\nuntil the end`,
  'HTTP/1.0 404 \r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204\r\nX: caf\xe9\r\n\r\n',
  `${CHUNKED}5\r\nhello\r\n6;name="v"\r\n world\r\n0\r\nX-Trailer: 1\r\nX-Trailer: 2\r\n\r\n`,
  `${CHUNKED}0\r\n\r\n`,
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "a"\r\n\r\n',
];

describe('an answer', () => {
  it.each(ANSWERS)('%j is read the same however it comes in pieces', (answer) => {
    const whole = read([answer]);
    expect(whole).toBeDefined();
    expect(read([...answer])).toEqual(whole);
    for (let cut = 1; cut < answer.length; cut += 1) {
      expect(read([answer.slice(0, cut), answer.slice(cut)])).toEqual(whole);
    }
  });

  it('is read as Node reads it, wherever a byte of it was changed, or is refused', async () => {
    const random = seeded(17);
    const pick = <T>(from: ArrayLike<T>) => from[Math.floor(random() * from.length)] as T;
    let sent = '';
    await using server = await tcpServer((socket) => {
      socket.once('data', () => socket.end(sent, 'latin1'));
    });
    let [same, refused] = [0, 0];
    for (let times = 0; times < 1500; times += 1) {
      const answer = pick(ANSWERS);
      const at = Math.floor(random() * answer.length);
      const change = pick([
        '',
        '\r',
        '\n',
        '\r\n',
        ' ',
        '\t',
        ':',
        ',',
        '0',
        '9',
        'a',
        '\0',
        '\x7f',
        ';',
        answer[at],
      ]);
      sent = answer.slice(0, at) + change + answer.slice(at + Math.floor(random() * 2));
      const ours = read([sent]);
      if (ours === undefined) refused += 1;
      // What comes after an answer ends its connection, which Node notices, or not, in its own time.
      else if (!hasSurplus(sent)) {
        same += 1;
        expect(ours, JSON.stringify(sent)).toEqual(await readByNode(server.port));
      }
    }
    // Else the changes were too wild, or too tame, to tell anything.
    expect(same).toBeGreaterThan(300);
    expect(refused).toBeGreaterThan(300);
  });

  it.each([
    ['two lengths', `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
    [
      'a length and chunks',
      `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a length that is a list', `${OK}Content-Length: 5, 5\r\n\r\nhello`],
    ['a coding that pool does not undo', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['a folded header', `${OK}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
    ['a blank before a colon', `${OK}Content-Length : 0\r\n\r\n`],
    ['bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['a protocol that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['a chunk longer than its size', `${CHUNKED}3\r\nhello\r\n0\r\n\r\n`],
    ['a size with a sign', `${CHUNKED}+3\r\nabc\r\n0\r\n\r\n`],
    ['an end before the last chunk', `${CHUNKED}3\r\nabc\r\n`],
    ['an end before the last byte', `${OK}Content-Length: 5\r\n\r\nhell`],
    ['a head without an end', `${OK}X: ${'x'.repeat(70_000)}`],
    ['trailers without an end', `${CHUNKED}0\r\n${`X: ${'x'.repeat(900)}\r\n`.repeat(80)}`],
    ['a chunk with an endless extension', `${CHUNKED}3;${'x'.repeat(5000)}`],
  ])('with %s is refused', (_, answer) => {
    expect(read([answer])).toBeUndefined();
  });
});

describe('a connection', () => {
  const keepMs = (answer: string, toHead = false) => {
    const parts = { onInterim() {}, onAnswer() {}, onData: () => false, onEnd() {} };
    const reader = new AnswerReader(parts, toHead);
    reader.push(Buffer.from(answer, 'latin1'));
    return reader.keepMs;
  };

  it.each([
    ['an answer of HTTP/1.1', `${OK}Content-Length: 0\r\n\r\n`, Infinity],
    [
      'one of HTTP/1.0 that says so',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
      Infinity,
    ],
    ['one of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', 0],
    ['one that closes', `${OK}Connection: Close\r\nContent-Length: 0\r\n\r\n`, 0],
    ['one that lasts to the end', `${OK}\r\n`, 0],
    ['one with more than its length', `${OK}Content-Length: 1\r\n\r\nab`, 0],
    [
      'one that names its time, less a second for what is under way',
      `${OK}Keep-Alive: timeout=3, max=9\r\nContent-Length: 0\r\n\r\n`,
      2000,
    ],
  ])('may serve again after %s for so long: %j, %d ms', (_, answer, ms) => {
    expect(keepMs(answer)).toBe(ms);
  });

  it('is clean after the answer to a HEAD, whatever length that names', () => {
    expect(keepMs(`${OK}Content-Length: 5\r\n\r\n`, true)).toBe(Infinity);
  });
});
