import { setTimeout as sleep } from 'node:timers/promises';
import { type Staged, valuesOf } from './application.ts';
import { hold, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Headers that proxies add, and those that belong to a connection. */
const ADDED =
  /^(x-forwarded-\w+|x-real-ip|forwarded|via|x-pool-commit|x-robots-tag|date|server|connection|keep-alive|transfer-encoding|content-length|x-probe|host):/i;

/** The lines of a head that the other end wrote. */
function written(head: string): string[] {
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => !ADDED.test(line));
}

async function ask(target: Target, line: string, ...headers: string[]): Promise<string> {
  const play = await target.application.play([OK]);
  using wire = new Wire(target);
  see('status', (await wire.ask(play, line, ...headers).answer()).status, 200);
  return (await play.request()).head;
}

async function answered(target: Target, ...headers: string[]) {
  const lines = ['HTTP/1.1 200 OK', 'Content-Length: 2', ...headers, '', 'ok'];
  const play: Staged = await target.application.play([lines.join('\r\n')]);
  using wire = new Wire(target);
  return await wire.ask(play).answer();
}

const MIXED = ['x-B: 1', 'X-A: 2', 'COOKIE: a=1', 'x-b: 3', 'cookie: b=2'];
const HOPS = ['Connection: keep-alive, TE, X-Hop', 'X-Hop: 1', 'Keep-Alive: timeout=9', 'TE: gzip'];
const FORGED = [
  'X-Forwarded-For: 203.0.113.9',
  'X-Forwarded-Host: forged.example',
  'X-Forwarded-Proto: gopher',
  'X-Real-IP: 203.0.113.9',
  'Forwarded: for=203.0.113.9;host=forged.example',
];

const ODD = ['X-Latin: caf\xE9', 'X-Utf: \xE2\x82\xAC', 'X-Empty: '];
const ODD_VALUES = ['caf\xE9', '\xE2\x82\xAC', ''];

function oddValues(head: string): string[] {
  return ['x-latin', 'x-utf', 'x-empty'].flatMap((name) => valuesOf(head, name));
}

const probes: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'headers of one name keep their order, both ways',
    async run(target) {
      const list = ['X-List: 1', 'X-Other: o', 'X-List: 2', 'X-List: 3'];
      const request = await ask(target, 'GET / HTTP/1.1', ...list);
      const { head: answer } = await answered(target, ...list);
      // They may be joined on the way.
      for (const head of [request, answer]) {
        see('values', valuesOf(head, 'x-list').join(', '), '1, 2, 3');
      }
    },
  },
  {
    name: "a request's headers keep their order and spelling",
    own: true,
    async run(target) {
      see('headers', written(await ask(target, 'GET / HTTP/1.1', ...MIXED)), MIXED);
    },
  },
  {
    name: "an answer's headers keep their order and spelling",
    own: true,
    async run(target) {
      see('headers', written((await answered(target, ...MIXED)).head), MIXED);
    },
  },
  {
    name: 'each Set-Cookie stays a line of its own',
    async run(target) {
      const cookies = ['a=1; Path=/', 'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'c=3'];
      const { head } = await answered(target, ...cookies.map((value) => `Set-Cookie: ${value}`));
      see('cookies', valuesOf(head, 'set-cookie'), cookies);
    },
  },
  {
    name: 'headers of the connection, and those it names, end at the proxy on the way in',
    async run(target) {
      const head = await ask(target, 'GET / HTTP/1.1', ...HOPS, 'Proxy-Connection: keep-alive');
      for (const name of ['X-Hop', 'Keep-Alive', 'Proxy-Connection', 'TE']) {
        see(name, valuesOf(head, name), []);
      }
    },
  },
  {
    name: 'headers of the connection, and those it names, end at the proxy on the way out',
    async run(target) {
      const { head } = await answered(
        target,
        'Connection: X-Hop',
        'X-Hop: 1',
        'Proxy-Connection: x',
      );
      for (const name of ['X-Hop', 'Proxy-Connection']) see(name, valuesOf(head, name), []);
    },
  },
  {
    name: 'Host and Content-Length stay whatever Connection names',
    async run(target) {
      const play = await target.application.play([{ do: 'body' }, OK]);
      using wire = new Wire(target);
      const headers = ['Connection: host, content-length', 'Content-Length: 5'];
      const { status } = await wire
        .ask(play, 'POST / HTTP/1.1', ...headers)
        .write('hello')
        .answer();
      if (status >= 400 && status < 500) return;
      const { head, body } = await play.request();
      see('what came', [valuesOf(head, 'host'), body], [[target.hostHeader], 'hello']);
    },
  },
  {
    name: 'Host is as the client wrote it',
    async run(target) {
      const head = await ask(target, 'GET / HTTP/1.1');
      see('Host', valuesOf(head, 'host'), [target.hostHeader]);
    },
  },
  {
    name: 'the application learns who asks, for which host and how: X-Forwarded-* and Forwarded',
    own: true,
    async run(target) {
      const head = await ask(target, 'GET / HTTP/1.1');
      see('X-Forwarded-For', valuesOf(head, 'x-forwarded-for'), ['127.0.0.1']);
      see('X-Forwarded-Host', valuesOf(head, 'x-forwarded-host'), [target.hostHeader]);
      see('X-Forwarded-Proto', valuesOf(head, 'x-forwarded-proto'), ['http']);
      const [forwarded = ''] = valuesOf(head, 'forwarded');
      const parts = new Set(forwarded.toLowerCase().split(';'));
      const wanted = ['for=127.0.0.1', `host="${target.hostHeader}"`, 'proto=http'];
      hold(`Forwarded with ${wanted.join(';')}`, parts.isSupersetOf(new Set(wanted)), forwarded);
    },
  },
  {
    name: 'what a client claims about its way is not passed on',
    own: true,
    async run(target) {
      const head = await ask(target, 'GET / HTTP/1.1', ...FORGED);
      hold('no forged value', !/203\.0\.113\.9|forged|gopher/.test(head), head);
    },
  },
  {
    name: 'every byte of a target reaches the application as it was written',
    async run(target) {
      const targets = [
        '/a%2Fb/%2e%2e/c',
        '//a///b',
        '/a/../b/./c',
        '/?',
        '/x?y=1&y=%20&z?z',
        "/;v=1/!$&'()*+,=:@-._~",
        `/${'long/'.repeat(1600)}`,
      ];
      for (const path of targets) {
        const head = await ask(target, `GET ${path} HTTP/1.1`);
        see('request line', head.split('\r\n')[0], `GET ${path} HTTP/1.1`);
      }
    },
  },
  {
    name: 'odd bytes in a target are refused, or passed on as they are',
    async run(target) {
      for (const path of ['/{}|^`"<>\\', '/%zz%', '/caf\xE9', '/a#b']) {
        const play = await target.application.play([OK]);
        using wire = new Wire(target);
        const { status } = await wire.ask(play, `GET ${path} HTTP/1.1`).answer();
        const { requests } = await play.seen();
        if (status === 400 && requests.length === 0) continue;
        see('request line', requests[0]?.head.split('\r\n')[0], `GET ${path} HTTP/1.1`);
      }
    },
  },
  {
    name: 'a target with the authority in it reaches the application as a path, under that Host',
    async run(target) {
      const head = await ask(target, `GET http://${target.hostHeader}/a?b HTTP/1.1`);
      see('request line', head.split('\r\n')[0], 'GET /a?b HTTP/1.1');
      see('Host', valuesOf(head, 'host'), [target.hostHeader]);
    },
  },
  {
    name: "bytes beyond ASCII and empty values come through in a request's headers",
    async run(target) {
      see('GET', oddValues(await ask(target, 'GET / HTTP/1.1', ...ODD)), ODD_VALUES);
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', ...ODD, 'Content-Length: 1');
      await sleep(600);
      await wire.write('x').answer();
      see('POST with a late body', oddValues((await play.request()).head), ODD_VALUES);
    },
  },
  {
    name: "bytes beyond ASCII and empty values come through in an answer's headers",
    async run(target) {
      see('answer', oddValues((await answered(target, ...ODD)).head), ODD_VALUES);
      const hints = ['HTTP/1.1 103 Early Hints', ...ODD, '', OK].join('\r\n');
      const play = await target.application.play([hints]);
      using wire = new Wire(target);
      const [interim = ''] = (await wire.ask(play).answer()).interim;
      if (interim !== '') see('103', oddValues(interim), ODD_VALUES);
    },
  },
  {
    name: 'an answer has one Date, whether the application gave it one or not',
    async run(target) {
      for (const dates of [[], ['Date: Wed, 21 Oct 2026 07:28:00 GMT']]) {
        const { head } = await answered(target, ...dates);
        hold('one Date', valuesOf(head, 'date').length === 1, head);
      }
    },
  },
  {
    name: 'the target * of OPTIONS reaches the application as it is, or is refused',
    async run(target) {
      const play = await target.application.play([OK]);
      using wire = new Wire(target);
      const { status } = await wire.ask(play, 'OPTIONS * HTTP/1.1').answer();
      const lines = (await play.seen()).requests.map(({ head }) => head.split('\r\n')[0]);
      if (lines.length === 0 && status >= 400) return;
      see('request line', lines, ['OPTIONS * HTTP/1.1']);
    },
  },
  {
    name: 'the words of a status line come through',
    own: true,
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 299 Just So\r\nContent-Length: 0\r\n\r\n',
      ]);
      using wire = new Wire(target);
      see(
        'status line',
        (await wire.ask(play).answer()).head.split('\r\n')[0],
        'HTTP/1.1 299 Just So',
      );
    },
  },
];

/** What becomes of headers and targets. */
export const HEADER_PROBES: readonly Probe[] = probes.map((probe) => ({
  family: 'headers',
  ...probe,
}));
