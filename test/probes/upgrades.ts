import { setTimeout as sleep } from 'node:timers/promises';
import { valuesOf } from './application.ts';
import type { Step } from './hostile-application.ts';
import { hold, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

const GET = 'GET /socket HTTP/1.1';
const HANDSHAKE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
] as const;
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
const REFUSED = 'HTTP/1.1 403 Forbidden\r\nX-Why: no\r\nContent-Length: 2\r\n\r\nno';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function open(target: Target, ...after: readonly Step[]) {
  const play = await target.application.play([SWITCH, ...after]);
  const wire = new Wire(target).ask(play, GET, ...HANDSHAKE);
  see('status', (await wire.answer()).status, 101);
  return { play, wire };
}

/** An application that says 101 to what is no WebSocket's handshake must not get a tunnel. */
async function noTunnel(target: Target, line: string, ...headers: readonly string[]) {
  const play = await target.application.play([SWITCH, { do: 'echo' }]);
  using wire = new Wire(target);
  const answer = await wire
    .ask(play, line, ...headers)
    .answer('GET', 2000)
    .catch(() => undefined);
  hold(
    `no 101 and no 2xx to ${[line, ...headers].join(', ')}`,
    answer === undefined || answer.status >= 400,
    answer,
  );
  wire.write('through the tunnel');
  await sleep(100);
  see('echoed', (await play.seen()).requests.map(({ echoed }) => echoed).join(''), '');
}

const probes: readonly Omit<Probe, 'family'>[] = [
  {
    name: "a WebSocket opens with the application's own 101, and bytes flow both ways",
    async run(target) {
      const { play, wire } = await open(target, 'first word', { do: 'echo' });
      using _ = wire;
      await wire.until('the first word', (text) => text.endsWith('first word'));
      const words = '\x81\x85mask\0\xFF'.repeat(50_000);
      wire.write(words);
      await wire.until('all of it', (text) => text.endsWith(words));
      const { head } = await play.request();
      const [upgrade, connection] = ['upgrade', 'connection'].map((name) => valuesOf(head, name));
      see('handshake', [upgrade, connection?.join().toLowerCase()], [['websocket'], 'upgrade']);
      see('Sec-WebSocket-Key', valuesOf(head, 'sec-websocket-key').length, 1);
    },
  },
  {
    name: "a 101's headers reach the client in their order, each cookie and each byte",
    async run(target) {
      const lines = ['Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Latin: caf\xE9'];
      const play = await target.application.play([
        SWITCH.replace('Sec-', `${lines.join('\r\n')}\r\nSec-`),
      ]);
      using wire = new Wire(target);
      const { head } = await wire.ask(play, GET, ...HANDSHAKE, 'X-Latin: caf\xE9').answer();
      const values = [valuesOf(head, 'set-cookie'), valuesOf(head, 'x-latin')];
      see('answer', values, [['a=1', 'b=2'], ['caf\xE9']]);
      see('request', valuesOf((await play.request()).head, 'x-latin'), ['caf\xE9']);
    },
  },
  {
    name: 'bytes that come before the 101 wait for it',
    async run(target) {
      const play = await target.application.play([{ do: 'gate' }, SWITCH, { do: 'echo' }]);
      using wire = new Wire(target);
      wire.write(`${wire.headOf(play, GET, ...HANDSHAKE)}early`);
      await play.request();
      await sleep(100);
      see('bytes behind the handshake', (await play.request()).waiting, 0);
      await play.go();
      see('status', (await wire.answer()).status, 101);
      await wire.until('the echo', (text) => text.endsWith('early'));
    },
  },
  {
    name: 'a refused handshake tunnels nothing: what follows it is no request to the application',
    async run(target) {
      const play = await target.application.play([{ do: 'wait', ms: 50 }, REFUSED]);
      using wire = new Wire(target);
      const hidden = wire.headOf(play, 'POST /hidden HTTP/1.1', 'X-Forwarded-For: 203.0.113.9');
      wire.write(wire.headOf(play, GET, ...HANDSHAKE) + hidden);
      see('status', (await wire.answer()).status, 403);
      await sleep(100);
      const heads = (await play.seen()).requests.map(({ head }) => head);
      // As a request of its own, through the front door, it is one like any other.
      const raw = heads.filter((head) => head.includes('/hidden') && head.includes('203.0.113.9'));
      see('hidden requests with a forged header', raw, []);
    },
  },
  {
    name: "the application's refusal of a handshake is passed on as it is",
    async run(target) {
      const chunked = REFUSED.replace(
        'Content-Length: 2\r\n\r\nno',
        'Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
      );
      for (const refusal of [REFUSED, chunked]) {
        const play = await target.application.play([refusal]);
        using wire = new Wire(target);
        const { status, head, body } = await wire.ask(play, GET, ...HANDSHAKE).answer();
        see('answer', [status, valuesOf(head, 'x-why'), body], [403, ['no'], 'no']);
      }
    },
  },
  {
    name: 'an application that closes on a handshake is a 502, soon',
    async run(target) {
      const play = await target.application.play([{ do: 'close' }]);
      using wire = new Wire(target);
      see('status', (await wire.ask(play, GET, ...HANDSHAKE).answer('GET', 2000)).status, 502);
    },
  },
  {
    name: 'a 101 that nobody asked for is a 502 and no tunnel',
    run: async (target) => await noTunnel(target, 'GET / HTTP/1.1'),
  },
  {
    name: 'an Upgrade to anything but a WebSocket, h2c first of all, is no tunnel',
    own: true,
    async run(target) {
      const settings = 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA';
      await noTunnel(target, GET, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', settings);
      await noTunnel(target, GET, 'Connection: Upgrade', 'Upgrade: anything');
      await noTunnel(target, GET, 'Connection: Upgrade', 'Upgrade: h2c, websocket');
    },
  },
  {
    name: 'an Upgrade that is not taken is an ordinary request',
    async run(target) {
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      const headers = ['Connection: Upgrade', 'Upgrade: h2c'];
      see('body', (await wire.ask(play, 'GET / HTTP/1.1', ...headers).answer()).body, 'ok');
    },
  },
  {
    name: 'a handshake in HTTP/1.0, or without Connection: Upgrade, is no tunnel',
    async run(target) {
      await noTunnel(target, GET, ...HANDSHAKE.slice(1));
      await noTunnel(target, 'GET /socket HTTP/1.0', ...HANDSHAKE);
    },
  },
  {
    name: 'a handshake with another method than GET is no tunnel',
    own: true,
    run: async (target) =>
      await noTunnel(target, 'POST /socket HTTP/1.1', ...HANDSHAKE, 'Content-Length: 0'),
  },
  {
    name: 'the body of a handshake is no request of its own',
    async run(target) {
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      const hidden = wire.headOf(play, 'GET /hidden HTTP/1.1');
      wire.ask(play, GET, ...HANDSHAKE, `Content-Length: ${hidden.length}`).write(hidden);
      await wire.answer('GET', 1000).catch(() => undefined);
      await sleep(100);
      const lines = (await play.seen()).requests.map(({ head }) => head.split('\r\n')[0]);
      hold('no hidden request', !lines.some((line) => line?.includes('/hidden')), lines);
    },
  },
  {
    name: 'CONNECT is refused',
    own: true,
    async run(target) {
      const play = await target.application.play(['HTTP/1.1 200 OK\r\n\r\n', { do: 'echo' }]);
      using wire = new Wire(target);
      wire.ask(play, `CONNECT ${target.hostHeader} HTTP/1.1`);
      const answer = await wire.answer('GET', 2000).catch(() => undefined);
      hold('a refusal', wire.closed || (answer?.status ?? 0) >= 400, wire.text);
      see('asked', (await play.seen()).requests.length, 0);
    },
  },
  {
    name: 'a WebSocket whose client leaves ends at the application at once',
    async run(target) {
      const { play, wire } = await open(target, { do: 'echo' });
      wire.socket.destroy();
      await play.freed(1000);
    },
  },
  {
    name: 'a client that leaves before the 101 frees the upstream at once',
    async run(target) {
      const play = await target.application.play([{ do: 'silence' }]);
      using wire = new Wire(target);
      wire.ask(play, GET, ...HANDSHAKE);
      await play.request();
      wire.socket.destroy();
      await play.freed(1000);
    },
  },
  {
    name: 'a WebSocket that the application ends ends at the client, last words and all',
    async run(target) {
      const { wire } = await open(target, 'last words', { do: 'close' });
      await wire.end(1000);
      hold('the last words', wire.text.endsWith('last words'), wire.text);
    },
  },
  {
    name: 'a handshake carries who really asks, and no header that Connection names',
    own: true,
    async run(target) {
      const play = await target.application.play([SWITCH]);
      using wire = new Wire(target);
      const forged = ['X-Forwarded-For: 203.0.113.9', 'Forwarded: for=203.0.113.9', 'X-Hop: 1'];
      const [, ...others] = HANDSHAKE;
      await wire.ask(play, GET, 'Connection: Upgrade, X-Hop', ...others, ...forged).answer();
      const { head } = await play.request();
      see('X-Forwarded-For', valuesOf(head, 'x-forwarded-for'), ['127.0.0.1']);
      hold('nothing forged', !head.includes('203.0.113.9'), head);
      see('X-Hop', valuesOf(head, 'x-hop'), []);
    },
  },
];

/** Connections that turn into something else, and those that only try to. */
export const UPGRADE_PROBES: readonly Probe[] = probes.map((one) => ({
  family: 'upgrades',
  ...one,
}));
