import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { speaksElevenTo, valuesOf } from './application.ts';
import { hold, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BIG_BYTES = 50_000_000;

/** Sends a request and, on the same connection, another one: what came of both. */
async function twice(target: Target, answer: string, line = 'GET / HTTP/1.1') {
  const [play, next] = [
    await target.application.play([answer]),
    await target.application.play([OK]),
  ];
  using wire = new Wire(target);
  const first = await wire.ask(play, line).answer(line.split(' ')[0]);
  const second = wire.closed ? undefined : await wire.ask(next).answer();
  see('the next answer on this connection', [second?.status, second?.body], [200, 'ok']);
  return first;
}

function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}

function pattern(bytes: number): Buffer {
  return Buffer.alloc(
    bytes,
    Uint8Array.from({ length: 65_536 }, (_, index) => index % 251),
  );
}

async function upload(target: Target, header: string, body: readonly (string | Buffer)[]) {
  const play = await target.application.play([{ do: 'body' }, OK]);
  using wire = new Wire(target);
  wire.ask(play, 'POST / HTTP/1.1', header);
  for (const part of body) wire.socket.write(part);
  see('status', (await wire.answer('POST', 30_000)).status, 200);
  const { bodyBytes, sha1: digest } = await play.request();
  see('what arrived', [bodyBytes, digest], [BIG_BYTES, sha1(pattern(BIG_BYTES))]);
}

async function download(
  target: Target,
  header: string,
  ...parts: Parameters<Target['application']['play']>[0]
) {
  const play = await target.application.play([`HTTP/1.1 200 OK\r\n${header}\r\n\r\n`, ...parts]);
  using wire = new Wire(target);
  wire.ask(play, 'GET / HTTP/1.1', 'Connection: close');
  await wire.end(30_000);
  const { body, complete } = await wire.answer();
  see('what arrived', [complete, body.length], [true, BIG_BYTES]);
  see('its digest', sha1(Buffer.from(body, 'latin1')), sha1(pattern(BIG_BYTES)));
}

const list: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'an answer to HEAD has its Content-Length and no body',
    async run(target) {
      const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n';
      const answer = await twice(target, head, 'HEAD / HTTP/1.1');
      see('Content-Length', valuesOf(answer.head, 'content-length'), ['5000']);
      const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
      see('status', (await twice(target, chunked, 'HEAD / HTTP/1.1')).status, 200);
    },
  },
  {
    name: 'a 204 has no body',
    async run(target) {
      const answer = await twice(target, 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n');
      see('answer', [answer.status, valuesOf(answer.head, 'x-a')], [204, ['1']]);
      see('framing', valuesOf(answer.head, 'transfer-encoding'), []);
    },
  },
  {
    name: 'a 204 that claims a length disturbs no later answer',
    async run(target) {
      see(
        'status',
        (await twice(target, 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n')).status,
        204,
      );
    },
  },
  {
    name: 'a 304 with the Content-Length of what it stands for has no body',
    async run(target) {
      const answer = await twice(
        target,
        'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5000\r\n\r\n',
      );
      see('answer', [answer.status, valuesOf(answer.head, 'etag')], [304, ['"a"']]);
      const [length = '5000'] = valuesOf(answer.head, 'content-length');
      see('Content-Length', length, '5000');
      const chunked = 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n';
      see('status', (await twice(target, chunked)).status, 304);
    },
  },
  {
    name: 'a chunked answer arrives whole',
    async run(target) {
      const answer = await twice(
        target,
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n',
      );
      see('body', [answer.body, answer.complete], ['hello world', true]);
    },
  },
  {
    name: 'an answer that ends with its connection arrives whole, and is seen to end',
    async run(target) {
      const play = await target.application.play(['HTTP/1.1 200 OK\r\n\r\nhello', { do: 'close' }]);
      using wire = new Wire(target);
      const { body, complete } = await wire.ask(play).answer();
      see('body', [body, complete], ['hello', true]);
    },
  },
  {
    name: 'an HTTP/1.0 answer arrives whole',
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello',
        { do: 'close' },
      ]);
      using wire = new Wire(target);
      const { status, body, complete } = await wire.ask(play).answer();
      see('answer', [status, body, complete], [200, 'hello', true]);
    },
  },
  {
    name: 'an HTTP/1.0 client gets no chunks',
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      ]);
      using wire = new Wire(target);
      const { head, body, complete } = await wire.ask(play, 'GET / HTTP/1.0').answer();
      await speaksElevenTo(play);
      see('framing', valuesOf(head, 'transfer-encoding'), []);
      see('body', [body, complete], ['hello', true]);
    },
  },
  {
    name: 'an HTTP/1.0 client that asks to be kept is told what becomes of the connection',
    async run(target) {
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      const first = await wire.ask(play, 'GET / HTTP/1.0', 'Connection: keep-alive').answer();
      see('body', first.body, 'ok');
      if (/keep-alive/i.test(valuesOf(first.head, 'connection').join())) {
        see('the second', (await wire.ask(play, 'GET / HTTP/1.0').answer()).body, 'ok');
      }
      await wire.end();
    },
  },
  {
    name: 'pipelined requests are answered in order, however long the first one takes',
    async run(target) {
      const slow = await target.application.play([{ do: 'wait', ms: 300 }, OK.replace('ok', '1.')]);
      const quick = await target.application.play([OK.replace('ok', '2.')]);
      const last = await target.application.play([{ do: 'body' }, OK.replace('ok', '3.')]);
      using wire = new Wire(target);
      const post = `${wire.headOf(last, 'POST / HTTP/1.1', 'Content-Length: 2')}hi`;
      wire.write(wire.headOf(slow, 'GET / HTTP/1.1') + wire.headOf(quick, 'GET / HTTP/1.1') + post);
      const bodies = [await wire.answer(), await wire.answer(), await wire.answer()];
      see(
        'bodies',
        bodies.map(({ body }) => body),
        ['1.', '2.', '3.'],
      );
    },
  },
  {
    name: 'a request that is pipelined behind a POST waits for its answer',
    async run(target) {
      const post = await target.application.play([{ do: 'gate' }, OK]);
      const next = await target.application.play([OK]);
      using wire = new Wire(target);
      const first = `${wire.headOf(post, 'POST / HTTP/1.1', 'Content-Length: 2')}hi`;
      wire.write(first + wire.headOf(next, 'GET / HTTP/1.1'));
      await post.request();
      await sleep(200);
      see('requests behind it', (await next.counts()).asked, 0);
      await post.go();
      see('statuses', [(await wire.answer()).status, (await wire.answer()).status], [200, 200]);
    },
  },
  {
    name: 'a request that comes byte by byte is the same request',
    async run(target) {
      const play = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      const body = '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n';
      for (const byte of wire.headOf(play, 'POST /x HTTP/1.1', 'Transfer-Encoding: chunked') +
        body) {
        wire.write(byte);
        await new Promise(setImmediate);
      }
      see('status', (await wire.answer()).status, 200);
      const request = await play.request();
      see('body', [request.body, request.complete], ['abcde', true]);
    },
  },
  {
    name: 'a GET without a body gets none on its way, a GET with one keeps it',
    async run(target) {
      const bare = await target.application.play([OK]);
      const loaded = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      await wire.ask(bare).answer();
      await wire.ask(loaded, 'GET / HTTP/1.1', 'Content-Length: 5').write('hello').answer();
      const { head } = await bare.request();
      const framing = ['content-length', 'transfer-encoding'].flatMap((name) =>
        valuesOf(head, name),
      );
      see('framing of the first', framing, []);
      see('body of the second', (await loaded.request()).body, 'hello');
    },
  },
  {
    name: 'an event reaches the client before the next one is sent',
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nb\r\ndata: one\n\n\r\n',
        { do: 'gate' },
        'b\r\ndata: two\n\n\r\n0\r\n\r\n',
      ]);
      using wire = new Wire(target);
      wire.ask(play, 'GET / HTTP/1.1', 'Accept: text/event-stream');
      await wire.until('the first event', (text) => text.includes('data: one'), 1000);
      hold('no second event yet', !wire.text.includes('two'), wire.text);
      await play.go();
      see('all of it', (await wire.answer()).body, 'data: one\n\ndata: two\n\n');
    },
  },
  {
    name: 'a piece of a body reaches the application before the next one is sent',
    async run(target) {
      const play = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', 'Content-Length: 10').write('first');
      await play.until('the first piece', ({ requests }) => requests[0]?.body === 'first');
      wire.write('other');
      await wire.answer();
      see('all of it', (await play.request()).body, 'firstother');
    },
  },
  {
    name: '50 MB go up whole with their length',
    alone: true,
    run: async (target) =>
      await upload(target, `Content-Length: ${BIG_BYTES}`, [pattern(BIG_BYTES)]),
  },
  {
    name: '50 MB go up whole in chunks',
    alone: true,
    async run(target) {
      const body = [`${BIG_BYTES.toString(16)}\r\n`, pattern(BIG_BYTES), '\r\n0\r\n\r\n'];
      await upload(target, 'Transfer-Encoding: chunked', body);
    },
  },
  {
    name: '50 MB come down whole with their length',
    alone: true,
    async run(target) {
      await download(target, `Content-Length: ${BIG_BYTES}`, { do: 'flood', bytes: BIG_BYTES });
    },
  },
  {
    name: '50 MB come down whole in chunks',
    alone: true,
    async run(target) {
      const size = `${BIG_BYTES.toString(16)}\r\n`;
      const flood = { do: 'flood', bytes: BIG_BYTES } as const;
      await download(target, 'Transfer-Encoding: chunked', size, flood, '\r\n0\r\n\r\n');
    },
  },
];

/** Where messages begin and end. */
export const FRAMING_PROBES: readonly Probe[] = list.map((probe) => ({
  family: 'framing',
  ...probe,
}));
