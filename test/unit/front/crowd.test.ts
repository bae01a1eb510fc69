import { type ChildProcess, spawn } from 'node:child_process';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { COMMIT, STATES } from '../fixtures/fake-control.ts';
import { HOST, openFront, type TestFront } from '../fixtures/front.ts';
import { hostileHeads } from '../fixtures/hostile-hosts.ts';
import { raw } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const LIMIT = 10_000;
const MINUTE = 60_000;

/** Many clients in a process of their own: each sends the beginning of a body, and waits. */
const CLIENTS = `
const { connect } = require('node:net');
const [port, count, host] = process.argv.slice(1);
const head = 'POST /form HTTP/1.1\\r\\nHost: ' + host + '\\r\\nContent-Length: 1000000\\r\\n\\r\\n';
const open = () => new Promise((resolve) => {
  const socket = connect(Number(port), '127.0.0.1', () => socket.write(head + 'x'.repeat(1000), resolve));
  socket.on('error', () => {});
});
(async () => {
  for (let left = Number(count); left > 0; left -= 100) {
    await Promise.all(Array.from({ length: Math.min(left, 100) }, open));
  }
  setInterval(() => {}, 1000);
})();
`;

class Crowd implements Disposable {
  readonly #child: ChildProcess;

  constructor(front: TestFront, count: number) {
    const args = ['-e', CLIENTS, String(front.port), String(count), HOST];
    this.#child = spawn(process.execPath, args, { stdio: 'inherit' });
  }

  /** They leave all at once, as when a network goes. */
  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

describe('of those who are held', () => {
  it(
    'there are ten thousand, of little memory each; the next is told when to come again, and who leaves makes room',
    async () => {
      await using front = await openFront(STATES.queued, { holdMs: 10 * MINUTE });
      const { control } = front;
      const before = memory();
      using _ = new Crowd(front, LIMIT - 1);
      await until('they are held', () => control.settledCalls === LIMIT - 1, MINUTE);
      const each = Math.round((memory() - before) / (LIMIT - 1) / 1024);
      console.log({ 'KB of each held request': each });
      expect(each).toBeLessThan(48);

      {
        using last = new Crowd(front, 1);
        await until('the last place is taken', () => control.settledCalls === LIMIT);
        const refused = await front.get('/', 'Accept: application/json');
        expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
        expect(JSON.parse(refused.body)).toMatchObject({
          title: 'Too many held requests',
          detail: 'Pool holds 10000 requests already.',
        });
        expect((await front.get('/', 'Accept: text/html')).body, 'pages are still sent').toContain(
          'Change the colour',
        );
        expect(control.settledCalls).toBe(LIMIT);
        expect(last).toBeInstanceOf(Crowd);
      }
      await until('one has left', () => front.listening.open.size === LIMIT - 1);
      using __ = new Crowd(front, 1);
      await until('another is held in its place', () => control.settledCalls === LIMIT + 1);
    },
    MINUTE,
  );

  it(
    'all get the answer, and nothing of them stays',
    async () => {
      await using front = await openFront(STATES.queued, { holdMs: 10 * MINUTE });
      const hold = async (count: number) => {
        using _ = new Crowd(front, count);
        const { settledCalls, visits } = front.control;
        visits.length = 0;
        await until(
          'they are held',
          () => front.control.settledCalls === settledCalls + count,
          MINUTE,
        );
      };
      const gone = async () =>
        await until('all have left', () => front.listening.open.size === 0, MINUTE);
      await hold(1000);
      await gone();
      const before = objects();
      for (let round = 0; round < 3; round++) {
        await hold(1000);
        await gone();
      }
      // Bytes say less: Node keeps up to a thousand parsers for the next to come.
      const after = objects();
      for (const [name, count] of before) {
        expect((after.get(name) ?? 0) - count, `${name} of three thousand who left`).toBeLessThan(
          100,
        );
      }
      expect(front.events).toEqual([]);
    },
    MINUTE,
  );
});

it(
  'ten thousand hostile hosts leave nothing in the front that refused them, nor what they name in its control',
  async () => {
    await using front = await openFront();
    front.control.lost = { kind: 'unknown', near: [], reason: 'No.', retryAfterMs: 1000 };
    const send = async (seed: number) => {
      const near = { commit: COMMIT, hidden: ['deadbeef'.repeat(5)] };
      const heads = hostileHeads(seed, 2500, near);
      const asked = heads.filter((head) => head.lookedUp).length;
      const waiting = heads.values();
      await Promise.all(
        Array.from({ length: 32 }, async () => {
          for (const { lines, family } of waiting) {
            const { status } = await raw(front.port, ...lines);
            expect([400, 404, 421], `of ${family}`).toContain(status);
          }
        }),
      );
      await until('all are gone', () => front.listening.open.size === 0);
      const { visits } = front.control;
      expect(visits.length, 'the control plane is asked for names only').toBe(asked);
      for (const { address } of visits) expect(address.ref).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      visits.length = 0;
      return heapUsed();
    };
    const before = await send(1);
    expect((await send(2)) - before).toBeLessThan(2 ** 20);
    expect(front.events).toEqual([]);
  },
  MINUTE,
);

/** How many there are of what a request is made of, and of what waits. */
function objects(): Map<string, number> {
  heapUsed();
  const kinds = [IncomingMessage, ServerResponse, Socket, AbortSignal, Promise, EventTarget];
  return new Map(
    kinds.map((kind) => [kind.name, queryObjects(kind as never, { format: 'count' })]),
  );
}

/** What this process holds, in bytes: what V8 knows of, and what lies beside it. */
function memory(): number {
  heapUsed();
  return process.memoryUsage.rss();
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
