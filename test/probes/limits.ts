import { setTimeout as sleep } from 'node:timers/promises';
import { valuesOf } from './application.ts';
import { hold, NotApplicable, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** A client that needs longer for its headers is given up; 15 s, and how exactly one looks. */
const SLOWEST_HEADERS_MS = 19_000;
/** A request whose body has not begun is passed on after this at the latest. */
const FIRST_BYTES_MS = 250;
/** More than the connections that pool has to one preview. */
const SLOW_BODIES = 1100;
/** Far more than the kernels and relays on the way keep. */
const FLOOD_BYTES = 200_000_000;
const LARGE = Array.from({ length: 6 }, (_, index) => `X-Large-${index}: ${'x'.repeat(5000)}`);

/** Begins many uploads, and waits until no more of them come through. */
async function crawl(target: Target, firstBytes: (index: number) => string) {
  const play = await target.application.play([{ do: 'body' }, OK]);
  const wires = Array.from({ length: SLOW_BODIES }, (_, index) =>
    new Wire(target).ask(play, 'POST / HTTP/1.1', 'Content-Length: 1000').write(firstBytes(index)),
  );
  for (let [round, before] = [0, -1]; round < 15; round += 1) {
    await sleep(1000);
    const { asked } = await play.counts();
    if (asked === before && asked > 0) break;
    before = asked;
  }
  return {
    play,
    async [Symbol.asyncDispose]() {
      for (const wire of wires) wire.socket.destroy();
      await play.freed(20_000);
    },
  };
}

const slow: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'a body that has not begun takes no connection to the application yet',
    own: true,
    alone: true,
    async run(target) {
      const play = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      const begun = Date.now();
      wire.ask(play, 'POST / HTTP/1.1', 'Content-Length: 5');
      await sleep(100);
      const { asked } = await play.counts();
      // On a machine that is late by this much nothing was seen of it.
      if (Date.now() - begun < FIRST_BYTES_MS) see('requests', asked, 0);
      see('status', (await wire.write('hello').answer('POST')).status, 200);
      see('body', (await play.request()).body, 'hello');
    },
  },
  {
    name: 'a request whose body is long in coming reaches the application before it',
    async run(target) {
      const play = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', 'Transfer-Encoding: chunked');
      await play.until('the head', ({ requests }) => requests.length === 1, 1500);
      see('status', (await wire.write('5\r\nhello\r\n0\r\n\r\n').answer('POST')).status, 200);
      see('body', (await play.request()).body, 'hello');
    },
  },
  {
    name: `${SLOW_BODIES} slow bodies hold nobody up: others are answered within a second`,
    alone: true,
    async run(target) {
      await using _ = await crawl(target, (index) => (index % 2 === 0 ? 'x' : ''));
      const play = await target.application.play([OK]);
      for (let round = 0; round < 20; round += 1) {
        using wire = new Wire(target);
        see('status', (await wire.ask(play).answer('GET', 1000)).status, 200);
      }
    },
  },
  {
    name: "at most half of a preview's connections serve bodies that arrive slowly",
    own: true,
    alone: true,
    async run(target) {
      if (target.connections === undefined) throw new NotApplicable('it has no limit of them');
      const half = target.connections / 2;
      await using crawling = await crawl(target, () => 'x');
      const { open } = await crawling.play.counts();
      hold(`1 to ${half} connections`, open > 0 && open <= half, open);
    },
  },
];

const limits: readonly Omit<Probe, 'family'>[] = [
  {
    name: '30 KB of headers reach the application',
    own: true,
    async run(target) {
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      see('status', (await wire.ask(play, 'GET / HTTP/1.1', ...LARGE).answer()).status, 200);
      const { head } = await play.request();
      see('last of them', valuesOf(head, 'x-large-5')[0]?.length, 5000);
    },
  },
  {
    name: '30 KB of headers reach the client',
    own: true,
    async run(target) {
      const play = await target.application.play([
        OK.replace('\r\n\r\n', ['', ...LARGE, '', ''].join('\r\n')),
      ]);
      using wire = new Wire(target);
      const { head, body } = await wire.ask(play).answer();
      see('last of them', [valuesOf(head, 'x-large-5')[0]?.length, body], [5000, 'ok']);
    },
  },
  {
    name: 'headers without an end are refused, and reach no application',
    async run(target) {
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      wire.write(wire.headOf(play, 'GET / HTTP/1.1').slice(0, -2));
      for (let line = 0; line < 2000 && !wire.closed; line += 1) {
        wire.write(`X-Endless-${line}: ${'x'.repeat(1000)}\r\n`);
      }
      const answer = await wire.answer().catch(() => undefined);
      hold('a refusal', wire.closed || (answer?.status ?? 0) >= 400, wire.text);
      see('requests', (await play.seen()).requests.length, 0);
    },
  },
  {
    name: 'an answer whose headers have no end is a 502, soon',
    async run(target) {
      const line = `X-Endless: ${'x'.repeat(1000)}\r\n`;
      const play = await target.application.play([
        'HTTP/1.1 200 OK\r\n',
        line.repeat(2000),
        { do: 'silence' },
      ]);
      using wire = new Wire(target);
      see('status', (await wire.ask(play).answer('GET', 3000)).status, 502);
    },
  },
  {
    name: 'chunk extensions and trailers without an end are cut off',
    own: true,
    async run(target) {
      for (const start of ['5;', '0\r\nX-Endless: ']) {
        const play = await target.application.play([{ do: 'body' }, OK]);
        using wire = new Wire(target);
        wire.ask(play, 'POST / HTTP/1.1', 'Transfer-Encoding: chunked').write(start);
        wire.write('x'.repeat(1_000_000));
        const answer = await wire.answer('POST', 3000).catch(() => undefined);
        hold('a refusal', wire.closed || (answer?.status ?? 0) >= 400, wire.text);
        hold(
          'no whole body',
          (await play.seen()).requests.every((one) => !one.complete),
          'one',
        );
      }
    },
  },
  {
    name: 'a client that reads nothing is waited for, not read ahead for',
    own: true,
    async run(target) {
      const play = await target.application.play([
        `HTTP/1.1 200 OK\r\nContent-Length: ${FLOOD_BYTES}\r\n\r\n`,
        { do: 'flood', bytes: FLOOD_BYTES },
      ]);
      using wire = new Wire(target);
      wire.ask(play).socket.pause();
      await sleep(1500);
      const { sent } = await play.request();
      hold('some of the answer taken, and not all', sent > 0 && sent < FLOOD_BYTES / 2, sent);
    },
  },
  {
    name: 'an application that reads nothing is waited for, not read ahead for',
    own: true,
    async run(target) {
      const play = await target.application.play([{ do: 'deafness', ms: 3000 }, OK]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', `Content-Length: ${FLOOD_BYTES}`);
      let taken = 0;
      const piece = Buffer.alloc(1_000_000);
      const more = () => {
        taken += piece.length;
        if (taken < FLOOD_BYTES) wire.socket.write(piece, (error) => error ?? more());
      };
      wire.socket.write(piece, more);
      await sleep(1500);
      hold('some of the body taken, and not all', taken > 0 && taken < FLOOD_BYTES / 2, taken);
    },
  },
  {
    name: 'a client that dawdles over its headers, or brings none, is given up',
    waits: true,
    async run(target) {
      const play = await target.application.play([OK]);
      using dawdling = new Wire(target);
      using silent = new Wire(target);
      dawdling.write(dawdling.headOf(play, 'GET / HTTP/1.1').slice(0, -2));
      const drip = setInterval(() => dawdling.write('X-Drip: 1\r\n'), 1000);
      try {
        await Promise.all([dawdling.end(SLOWEST_HEADERS_MS), silent.end(SLOWEST_HEADERS_MS)]);
      } finally {
        clearInterval(drip);
      }
      see('requests', (await play.seen()).requests.length, 0);
    },
  },
];

/** What is slow, and what is large. */
export const LIMIT_PROBES: readonly Probe[] = [
  ...slow.map((one) => ({ family: 'slow bodies', ...one })),
  ...limits.map((one) => ({ family: 'limits', ...one })),
];
