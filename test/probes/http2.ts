import { setTimeout as sleep } from 'node:timers/promises';
import { valuesOf } from './application.ts';
import { hold, NotApplicable, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

/** It may have to be started first. */
const START_MS = 20_000;

/** A client of the application that speaks HTTP/2 alone. */
function connect(target: Target): Wire {
  if (target.http2Host === undefined) throw new NotApplicable('it is not set up for HTTP/2');
  return new Wire({ ...target, hostHeader: target.http2Host });
}

/** Sends a request of HTTP/1.1. */
function ask(wire: Wire, target: Target, line: string, ...headers: readonly string[]): Wire {
  return wire.write([line, `Host: ${target.http2Host}`, ...headers, '', ''].join('\r\n'));
}

const probes: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'ordinary requests reach an application that speaks HTTP/2 alone',
    async run(target) {
      using wire = connect(target);
      ask(wire, target, 'GET /a%2Fb?c HTTP/1.1', 'Connection: keep-alive', 'X-A: 1');
      const { status, head, body } = await wire.answer('GET', START_MS);
      see('answer', [status, valuesOf(head, 'x-own')], [200, ['yes']]);
      const seen = JSON.parse(body) as { path: string; authority: string; names: string[] };
      see('request', [seen.path, seen.authority], ['/a%2Fb?c', target.http2Host]);
      hold(
        'X-A and no Connection',
        seen.names.includes('x-a') && !seen.names.includes('connection'),
        seen,
      );
      ask(wire, target, 'HEAD / HTTP/1.1');
      see('HEAD', (await wire.answer('HEAD')).status, 200);
    },
  },
  {
    name: 'a body goes to it and comes back whole',
    async run(target) {
      using wire = connect(target);
      const body = 'a body of some size '.repeat(50_000);
      ask(wire, target, 'POST /echo HTTP/1.1', `Content-Length: ${body.length}`).write(body);
      const answer = await wire.answer('POST', START_MS);
      see('answer', [answer.status, answer.complete, answer.body === body], [200, true, true]);
    },
  },
  {
    name: 'an answer that it resets, or dies over, reaches the client as a cut',
    async run(target) {
      for (const path of ['/cut', '/die']) {
        using wire = connect(target);
        ask(wire, target, `GET ${path} HTTP/1.1`);
        see(`${path} is whole`, (await wire.answer('GET', START_MS)).complete, false);
      }
    },
  },
  {
    name: 'early hints and trailers come through from it',
    async run(target) {
      using wire = connect(target);
      const answer = await ask(wire, target, 'GET /trailers HTTP/1.1', 'TE: trailers').answer(
        'GET',
        START_MS,
      );
      see(
        'answers',
        [answer.interim.length, answer.body, answer.trailers],
        [1, 'ok', ['x-sum: 7']],
      );
    },
  },
  {
    name: 'a client that leaves ends its stream there at once',
    async run(target) {
      using other = connect(target);
      const open = async () =>
        Number((await ask(other, target, 'GET /open HTTP/1.1').answer('GET', START_MS)).body);
      await open();
      using wire = connect(target);
      ask(wire, target, 'GET /silence HTTP/1.1');
      for (let tries = 0; (await open()) === 0; tries += 1) hold('the stream', tries < 100, tries);
      wire.socket.destroy();
      await sleep(1000);
      see('open streams', await open(), 0);
    },
  },
];

/** An application that speaks HTTP/2 without TLS, and nothing else. */
export const HTTP2_PROBES: readonly Probe[] = probes.map((one) => ({
  family: 'HTTP/2 without TLS',
  own: true,
  alone: true,
  ...one,
}));
