import { speaksElevenTo, valuesOf } from './application.ts';
import { hold, type Probe, see } from './probe.ts';
import { Wire } from './wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const EARLY_HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
const REFUSED = 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const EXPECTING = ['POST / HTTP/1.1', 'Content-Length: 5', 'Expect: 100-continue'] as const;

const interim: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'early hints (103) reach the client before the answer does',
    async run(target) {
      const play = await target.application.play([EARLY_HINTS, { do: 'gate' }, OK]);
      using wire = new Wire(target);
      wire.ask(play);
      await wire.until('the hints', (text) => text.includes('rel=preload'));
      await play.go();
      const answer = await wire.answer();
      see('answers', [answer.interim.length, answer.status, answer.body], [1, 200, 'ok']);
      see('Link', valuesOf(answer.interim[0] ?? '', 'link'), ['</a.css>; rel=preload']);
    },
  },
  {
    name: 'several interim answers (102, 103, 150) reach the client in order',
    async run(target) {
      const play = await target.application.play([
        `HTTP/1.1 102 Processing\r\n\r\n${EARLY_HINTS}HTTP/1.1 150 Own\r\n\r\n${OK}`,
      ]);
      using wire = new Wire(target);
      const answer = await wire.ask(play).answer();
      const statuses = answer.interim.map((head) => head.split(' ')[1]);
      see('statuses', [...statuses, answer.status], ['102', '103', '150', 200]);
    },
  },
  {
    name: 'an HTTP/1.0 client gets no interim answers',
    async run(target) {
      const play = await target.application.play([EARLY_HINTS + OK]);
      using wire = new Wire(target);
      const answer = await wire.ask(play, 'GET / HTTP/1.0').answer();
      await speaksElevenTo(play);
      see('answers', [answer.interim, answer.status, answer.body], [[], 200, 'ok']);
    },
  },
  {
    name: 'a client that expects 100-continue gets one, and its body arrives',
    async run(target) {
      const play = await target.application.play([CONTINUE, { do: 'body' }, OK]);
      using wire = new Wire(target);
      wire.ask(play, ...EXPECTING);
      await wire.until('100', (text) => text.startsWith('HTTP/1.1 100'));
      see('status', (await wire.write('hello').answer()).status, 200);
      see('body', (await play.request()).body, 'hello');
    },
  },
  {
    name: "the 100 is the application's own, and so is the expectation",
    own: true,
    async run(target) {
      const play = await target.application.play([{ do: 'gate' }, CONTINUE, { do: 'body' }, OK]);
      using wire = new Wire(target);
      wire.ask(play, ...EXPECTING);
      const { head } = await play.request();
      see('Expect', valuesOf(head, 'expect'), ['100-continue']);
      see('what the client heard before the application spoke', wire.text, '');
      await play.go();
      await wire.until('100', (text) => text.startsWith('HTTP/1.1 100'));
      const answer = await wire.write('hello').answer();
      see('answers', [answer.interim.length, answer.status], [1, 200]);
    },
  },
  {
    name: 'an application that refuses before the body is heard at once',
    async run(target) {
      const play = await target.application.play([REFUSED]);
      using wire = new Wire(target);
      const answer = await wire.ask(play, ...EXPECTING).answer('POST', 1000);
      see('answer', [answer.status, answer.body], [401, 'no']);
    },
  },
  {
    name: 'the refusal comes without a 100 before it, and 417 is one',
    own: true,
    async run(target) {
      const play = await target.application.play([REFUSED.replace('401 Unauthorized', '417 No')]);
      using wire = new Wire(target);
      const answer = await wire.ask(play, ...EXPECTING).answer('POST', 1000);
      see('answers', [answer.interim, answer.status], [[], 417]);
    },
  },
  {
    name: 'what follows a refused expectation is a body or nothing, never a request',
    async run(target) {
      const play = await target.application.play([REFUSED]);
      using wire = new Wire(target);
      const hidden = wire.headOf(play, 'GET /hidden HTTP/1.1');
      const headers = [`Content-Length: ${hidden.length}`, 'Expect: 100-continue'];
      await wire.ask(play, 'POST / HTTP/1.1', ...headers).answer();
      wire.write(hidden);
      await wire.end(500).catch(() => {});
      const { requests } = await play.seen();
      const lines = requests.map(({ head }) => head.split('\r\n')[0]);
      hold('no hidden request', !lines.some((line) => line?.includes('hidden')), lines);
    },
  },
  {
    name: 'an answer that comes in the middle of an upload is heard at once',
    async run(target) {
      const play = await target.application.play([REFUSED.replace('401 Unauthorized', '413 Big')]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', 'Content-Length: 1000000').write('x'.repeat(1000));
      see('status', (await wire.answer('POST', 1500)).status, 413);
    },
  },
  {
    name: "what is left of a body after such an answer is nobody's request, and disturbs nobody",
    alone: true,
    async run(target) {
      const play = await target.application.play([REFUSED.replace('401 Unauthorized', '413 Big')]);
      const next = await target.application.play([OK]);
      for (let round = 0; round < 3; round += 1) {
        using wire = new Wire(target);
        const hidden = wire.headOf(play, 'GET /hidden HTTP/1.1');
        wire.ask(play, 'POST / HTTP/1.1', `Content-Length: ${hidden.length + 4}`).write('left');
        see('status', (await wire.answer('POST')).status, 413);
        wire.write(hidden);
        for (let other = 0; other < 3; other += 1) {
          using visitor = new Wire(target);
          see('another answer', (await visitor.ask(next).answer('GET', 2000)).status, 200);
        }
      }
      const lines = (await play.seen()).requests.map(({ head }) => head.split('\r\n')[0]);
      hold('no hidden request', !lines.some((line) => line?.includes('hidden')), lines);
    },
  },
];

const trailers: readonly Omit<Probe, 'family'>[] = [
  {
    name: "an answer's trailers reach the client",
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n',
      ]);
      using wire = new Wire(target);
      const answer = await wire
        .ask(play, 'GET / HTTP/1.1', 'TE: trailers', 'Connection: TE')
        .answer();
      see('answer', [answer.body, answer.trailers.join().toLowerCase()], ['ok', 'x-sum: 7']);
    },
  },
  {
    name: "a request's trailers reach the application",
    async run(target) {
      const play = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'Trailer: X-Sum');
      await wire.write('2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n').answer();
      const request = await play.request();
      see('request', [request.body, request.trailers.join().toLowerCase()], ['ok', 'x-sum: 7']);
    },
  },
  {
    name: 'a trailer never becomes a header that frames, addresses or vouches',
    async run(target) {
      const play = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', 'Transfer-Encoding: chunked');
      wire.write(
        '2\r\nok\r\n0\r\nContent-Length: 9\r\nHost: forged\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n',
      );
      if ((await wire.answer()).status === 400) return;
      const { head, body } = await play.request();
      hold('no trailer among the headers', !/forged|203\.0\.113\.9|: 9\b/.test(head), head);
      see('body', body, 'ok');
    },
  },
];

/** What comes before an answer, and behind a body. */
export const INTERIM_PROBES: readonly Probe[] = [
  ...interim.map((probe) => ({ family: 'interim answers', ...probe })),
  ...trailers.map((probe) => ({ family: 'trailers', ...probe })),
];
