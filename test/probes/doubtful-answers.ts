import { setTimeout as sleep } from 'node:timers/promises';
import { valuesOf } from './application.ts';
import { hold, type Probe, see, type Target } from './probe.ts';
import { type Answer, Wire } from './wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';

/** The rule: a 502 or a cut; or an answer that even the strictest client reads only one way. */
async function oneReading(target: Target, head: readonly string[], body: string, read?: string) {
  // Closing is announced, or a request of another probe might meet it on this connection.
  const bytes = [...head, 'Connection: close', '', body].join('\r\n');
  const play = await target.application.play([bytes, { do: 'wait', ms: 50 }, { do: 'close' }]);
  using wire = new Wire(target);
  const answer = await wire
    .ask(play)
    .answer('GET', 2000)
    .catch((error: unknown) => {
      if (!wire.closed) throw error;
    });
  if (answer === undefined || answer.status >= 500 || !answer.complete) return;
  see('faults of what was passed on', faults(answer), []);
  if (read !== undefined) see('body', answer.body, read);
}

function faults({ head }: Answer): string[] {
  const [line = '', ...fields] = head.split('\r\n');
  const lengths = valuesOf(head, 'content-length');
  const codings = valuesOf(head, 'transfer-encoding');
  const illegal = fields.filter((field) => !/^[\w!#$%&'*+.^`|~-]+:[^\0\r\n]*$/.test(field));
  return [
    /^HTTP\/1\.[01] [1-9]\d\d( [^\0\r\n]*)?$/.test(line) ? '' : `the line ${line}`,
    ...illegal.map((field) => `the field ${field}`),
    lengths.length + codings.length > 1 ? `framing ${[...lengths, ...codings].join()}` : '',
    lengths.every((length) => /^\d+$/.test(length)) ? '' : `the length ${lengths.join()}`,
  ].filter((fault) => fault !== '');
}

/** What an application sends beyond its answer must not be the answer to whoever comes next. */
async function notForOthers(target: Target, answer: string, method = 'GET'): Promise<void> {
  const play = await target.application.play([answer]);
  const next = await target.application.play([OK]);
  for (let round = 0; round < 5; round += 1) {
    using wire = new Wire(target);
    await wire.ask(play, `${method} / HTTP/1.1`, 'Connection: close').answer(method);
    for (let other = 0; other < 3; other += 1) {
      using visitor = new Wire(target);
      const { status, body } = await visitor.ask(next).answer();
      see('the answer to another request', [status, body], [200, 'ok']);
    }
  }
}

const STATUS = 'HTTP/1.1 200 OK';
const CHUNKED = 'Transfer-Encoding: chunked';

const probes: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'an answer with Content-Length beside Transfer-Encoding is read one way, or a 502',
    async run(target) {
      const body = '2\r\nok\r\n0\r\n\r\n';
      await oneReading(target, [STATUS, 'Content-Length: 12', CHUNKED], body, 'ok');
      await oneReading(target, [STATUS, CHUNKED, 'Content-Length: 1'], body, 'ok');
    },
  },
  {
    name: 'an answer with two lengths that differ, or with none that is a number, is a 502',
    async run(target) {
      for (const lengths of [['2', '1'], ['2, 1'], ['-2'], ['+2'], ['2x'], ['0x2'], ['']]) {
        const head = [STATUS, ...lengths.map((length) => `Content-Length: ${length}`)];
        await oneReading(target, head, 'ok', 'never');
      }
    },
  },
  {
    name: 'an answer in another transfer coding is passed on in it, or a 502',
    async run(target) {
      const play = await target.application.play([
        `${STATUS}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\n\x1F\x8B\x08\r\n0\r\n\r\n`,
      ]);
      using wire = new Wire(target);
      const { status, head } = await wire.ask(play).answer();
      const codings = valuesOf(head, 'transfer-encoding').join();
      hold('502, or gzip named', status === 502 || codings.includes('gzip'), [status, codings]);
    },
  },
  {
    name: 'a line end hidden in a header of an answer starts no header at the client',
    async run(target) {
      for (const odd of ['\r', '\0', '\r\n ', '\x01']) {
        const value = `X-A: 1${odd}Set-Cookie: injected=1`;
        await oneReading(target, [STATUS, 'Content-Length: 2', value], 'ok', 'ok');
      }
    },
  },
  {
    name: 'an answer with whitespace before a colon is read one way, or a 502',
    async run(target) {
      await oneReading(target, [STATUS, 'Content-Length : 2'], 'ok', 'ok');
      await oneReading(
        target,
        [STATUS, 'Transfer-Encoding : chunked'],
        '2\r\nok\r\n0\r\n\r\n',
        'ok',
      );
    },
  },
  {
    name: 'a status line that is none is a 502',
    async run(target) {
      for (const line of [
        'HTTP/1.1 2000 OK',
        'HTTP/1.1 99 No',
        'HTTP/1.1 abc',
        'HTTP/3.0 200 OK',
      ]) {
        await oneReading(target, [line, 'Content-Length: 2'], 'ok', 'never');
      }
    },
  },
  {
    name: 'a second answer to one request reaches nobody',
    alone: true,
    run: async (target) => await notForOthers(target, OK + POISON),
  },
  {
    name: 'a body behind an answer that has none reaches nobody',
    alone: true,
    async run(target) {
      await notForOthers(target, `HTTP/1.1 200 OK\r\nContent-Length: 56\r\n\r\n${POISON}`, 'HEAD');
      await notForOthers(target, `HTTP/1.1 204 No Content\r\n\r\n${POISON}`);
      await notForOthers(target, `HTTP/1.1 304 Not Modified\r\n\r\n${POISON}`);
    },
  },
  {
    name: 'an answer that nobody asked for, on a connection at rest, reaches nobody',
    alone: true,
    async run(target) {
      const play = await target.application.play([OK, { do: 'wait', ms: 30 }, POISON]);
      const next = await target.application.play([OK]);
      using wire = new Wire(target);
      for (let round = 0; round < 5; round += 1) {
        await wire.ask(play).answer();
        await sleep(100);
        const { status, body } = await wire.ask(next).answer();
        see('the answer to another request', [status, body], [200, 'ok']);
      }
    },
  },
];

/** Answers that two parsers could read differently. */
export const DOUBTFUL_ANSWER_PROBES: readonly Probe[] = probes.map((one) => ({
  family: 'doubtful answers',
  ...one,
}));
