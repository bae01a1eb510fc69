import { setTimeout as sleep } from 'node:timers/promises';
import { valuesOf } from './application.ts';
import type { SeenRequest } from './hostile-application.ts';
import { hold, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A request that two parsers could read differently. `HIDDEN` stands for a second one inside it. */
interface Doubtful {
  line?: string;
  headers?: readonly string[];
  /** Stands between the head's lines. */
  newline?: string;
  body?: string;
  /** The body as the standard reads it, where it does. */
  read?: string;
}

/**
 * The rule for all of them: refused, or cut off unfinished; or the application gets one request,
 * which even the strictest parser reads only one way, and with the body that the standard means.
 * What is hidden in it is never a request of its own.
 */
async function oneReading(target: Target, doubtful: Doubtful): Promise<void> {
  const { line = 'POST /doubtful HTTP/1.1', headers = [], newline = '\r\n', body = '' } = doubtful;
  const play = await target.application.play([{ do: 'body' }, OK]);
  using wire = new Wire(target);
  const hidden = wire.headOf(play, 'GET /hidden HTTP/1.1');
  const withLength = (text: string) => text.replace('LENGTH', String(inside.length));
  const inside = body.replace('HIDDEN', hidden);
  const head = wire.headOf(play, line, ...headers.map(withLength));
  wire.write(head.replaceAll('\r\n', newline) + inside);
  const answer = await wire.answer().catch(() => undefined);
  await sleep(50);
  const { requests } = await play.seen();
  const lines = requests.map((one) => one.head.split('\r\n')[0]);
  hold('no hidden request', !lines.some((one) => one?.includes('/hidden')), lines);
  hold('at most one request', requests.length <= 1, lines);
  const [request] = requests;
  if (request === undefined) {
    hold('a refusal', wire.closed || (answer?.status ?? 0) >= 400, wire.text);
  } else if (request.complete) {
    see('faults of what was passed on', faults(request), []);
    see('its body', request.body, (doubtful.read ?? inside).replace('HIDDEN', hidden));
  }
}

/** Where the strictest parser would stumble. */
function faults({ head, chunkLines }: SeenRequest): string[] {
  const [line = '', ...fields] = head.split('\r\n');
  const lengths = valuesOf(head, 'content-length');
  const codings = valuesOf(head, 'transfer-encoding');
  const hosts = valuesOf(head, 'host');
  const authority = /^\S+ \w+:\/\/([^/ ]*)/.exec(line)?.[1];
  const illegal = fields.filter((field) => !/^[\w!#$%&'*+.^`|~-]+:[^\0\r\n]*$/.test(field));
  return [
    /^[A-Z]+ [^\s\0]+ HTTP\/1\.[01]$/.test(line) ? '' : `the line ${line}`,
    ...illegal.map((field) => `the field ${field}`),
    lengths.length + codings.length > 1 ? `framing ${[...lengths, ...codings].join()}` : '',
    lengths.every((length) => /^\d+$/.test(length)) ? '' : `the length ${lengths.join()}`,
    codings.every((coding) => /^(gzip, ?)?chunked$/i.test(coding))
      ? ''
      : `the coding ${codings.join()}`,
    codings.length > 0 && line.endsWith('1.0') ? 'chunks in HTTP/1.0' : '',
    hosts.length === 1 && (authority ?? hosts[0]) === hosts[0] ? '' : `hosts ${hosts.join()}`,
    chunkLines.every((size) => /^[0-9a-f]{1,16}(;[^\0\r]*)?\r$/i.test(size)) ? '' : 'a chunk size',
  ].filter((fault) => fault !== '');
}

function probe(name: string, ...doubts: readonly Doubtful[]): Omit<Probe, 'family'> {
  return {
    name: `read one way or refused: ${name}`,
    async run(target) {
      for (const doubtful of doubts) {
        await oneReading(target, doubtful).catch((error: unknown) => {
          const told = JSON.stringify({ ...doubtful, headers: doubtful.headers?.slice(-2) });
          throw new Error(`${told.slice(0, 150)}: ${(error as Error).message}`);
        });
      }
    },
  };
}

const CHUNKED = 'Transfer-Encoding: chunked';
const ENDED = '0\r\n\r\nHIDDEN';
const HELLO = '5\r\nhello\r\n0\r\n\r\n';
const MANY = Array.from({ length: 2500 }, () => 'x: y');

const probes: readonly Omit<Probe, 'family'>[] = [
  probe(
    'Content-Length beside Transfer-Encoding',
    { headers: ['Content-Length: LENGTH', CHUNKED], body: ENDED, read: '' },
    { headers: [CHUNKED, 'Content-Length: 5'], body: `${HELLO}HIDDEN`, read: 'hello' },
  ),
  probe(
    'two lengths that differ',
    { headers: ['Content-Length: 0', 'Content-Length: LENGTH'], body: 'HIDDEN' },
    { headers: ['Content-Length: LENGTH', 'Content-Length: 0'], body: 'HIDDEN' },
    { headers: ['Content-Length: 0, LENGTH'], body: 'HIDDEN' },
  ),
  probe(
    'one length twice',
    { headers: ['Content-Length: 5', 'Content-Length: 5'], body: 'hello' },
    { headers: ['Content-Length: 5, 5'], body: 'hello' },
  ),
  probe(
    'a length that is no plain number',
    ...['+5', '-5', '0x5', '5 5', '5.0', '5a', '', '18446744073709551621'].map((length) => ({
      headers: [`Content-Length: ${length}`],
      body: 'hello',
    })),
  ),
  probe(
    'transfer codings other than chunked',
    { headers: ['Transfer-Encoding: gzip, chunked'], body: HELLO, read: 'hello' },
    ...['xchunked', 'chunked, identity', 'identity', 'chunked, chunked', 'chunked;q=1'].map(
      (coding) => ({ headers: [`Transfer-Encoding: ${coding}`], body: ENDED, read: '' }),
    ),
    ...['"chunked"', '\x0Bchunked', 'chunked\x0C', ''].map((coding) => ({
      headers: [`Transfer-Encoding: ${coding}`],
      body: ENDED,
      read: '',
    })),
  ),
  probe(
    'two Transfer-Encoding lines',
    { headers: [CHUNKED, 'Transfer-Encoding: identity'], body: ENDED, read: '' },
    { headers: ['Transfer-Encoding: identity', CHUNKED], body: HELLO, read: 'hello' },
  ),
  probe('chunks in HTTP/1.0', {
    line: 'POST /doubtful HTTP/1.0',
    headers: [CHUNKED],
    body: ENDED,
    read: '',
  }),
  probe(
    'folded header lines',
    { headers: ['X-A: 1\r\n folded'] },
    { headers: ['Transfer-Encoding:\r\n chunked'], body: HELLO, read: 'hello' },
    { headers: ['X-A: 1\r\n\tContent-Length: 5'] },
    { line: 'POST /doubtful HTTP/1.1\r\n X-A: 1' },
  ),
  probe(
    'whitespace before a colon',
    { headers: ['Content-Length : LENGTH'], body: 'HIDDEN' },
    { headers: ['Transfer-Encoding : chunked'], body: ENDED, read: '' },
    { headers: ['X-A\t: 1'] },
  ),
  probe(
    'lines that end in a bare line feed, or are parted by a bare carriage return',
    { newline: '\n', headers: ['Content-Length: 5'], body: 'hello' },
    { headers: [`X-A: 1\n${CHUNKED}`], body: HELLO, read: 'hello' },
    { headers: [`X-A: 1\r${CHUNKED}`] },
  ),
  probe(
    'control bytes in a header',
    ...['\0', '\x01', '\x7F', '\x0B'].map((byte) => ({ headers: [`X-A: a${byte}b`] })),
    ...['\0', '\x01', ' ', '(', '\xE9'].map((byte) => ({ headers: [`X${byte}A: ab`] })),
  ),
  probe(
    'header lines without a name or a colon',
    { headers: [': x'] },
    { headers: ['X-NoColon'] },
    { headers: ['Transfer-Encoding chunked'], body: ENDED, read: '' },
  ),
  probe(
    'chunk sizes that are no plain hexadecimal numbers',
    ...['0x5', '+5', '-5', '5 ', ' 5', '5_', 'g', '', '5,5', '10000000000000005'].map((size) => ({
      headers: [CHUNKED],
      body: `${size}\r\nhello\r\n0\r\n\r\n`,
      read: 'hello',
    })),
  ),
  probe(
    'chunk extensions, with and without a stray line end',
    { headers: [CHUNKED], body: `5;a="b";c\r\nhello\r\n0;d\r\n\r\n`, read: 'hello' },
    { headers: [CHUNKED], body: `5;a\nhello\r\n0\r\n\r\n`, read: 'hello' },
    { headers: [CHUNKED], body: `5;\rab\r\nhello\r\n0\r\n\r\n`, read: 'hello' },
  ),
  probe(
    'chunks that are longer than they say',
    { headers: [CHUNKED], body: '5\r\nhelloXX0\r\n\r\nHIDDEN', read: 'hello' },
    { headers: [CHUNKED], body: '5\r\nhello0\r\n\r\nHIDDEN', read: 'hello' },
    { headers: [CHUNKED], body: '5\nhello\n0\n\n', read: 'hello' },
  ),
  probe(
    'request lines with other spaces, versions or nothing at all',
    ...['GET  / HTTP/1.1', 'GET / HTTP/1.1 ', 'GET\t/ HTTP/1.1', 'GET / HTTP/1.1 x'].map(
      (line) => ({
        line,
      }),
    ),
    ...['GET / HTTP/1.2', 'GET / HTTP/2.0', 'GET / HTTP/11', 'GET / http/1.1', 'GET /'].map(
      (line) => ({ line }),
    ),
    ...['GET /a b HTTP/1.1', 'GET /a\0b HTTP/1.1', 'G(T / HTTP/1.1', 'GET'].map((line) => ({
      line,
    })),
  ),
  probe(
    'a framing header behind thousands of others',
    {
      line: 'GET /doubtful HTTP/1.1',
      headers: [...MANY, 'Content-Length: LENGTH'],
      body: 'HIDDEN',
    },
    { line: 'DELETE /doubtful HTTP/1.1', headers: [...MANY, CHUNKED], body: HELLO, read: 'hello' },
  ),
  probe(
    'Host twice, or with more than one in it',
    { headers: ['Host: other.example'] },
    { headers: ['host : other.example'] },
  ),
  {
    name: 'a request of HTTP/1.1 without Host is a 400',
    async run(target) {
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      wire.write(`GET / HTTP/1.1\r\nX-Probe: ${play.id}\r\n\r\n`);
      see('status', (await wire.answer()).status, 400);
    },
  },
  {
    ...probe('a target whose authority is another than Host', {
      line: 'GET http://other.example/ HTTP/1.1',
    }),
    own: true,
  },
];

/** Requests that two parsers could read differently. */
export const SMUGGLING_PROBES: readonly Probe[] = probes.map((one) => ({
  family: 'doubtful requests',
  ...one,
}));
