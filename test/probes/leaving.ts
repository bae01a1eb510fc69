import type { Step } from './hostile-application.ts';
import { hold, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

/** "At once", seen from the application through the engine's relay. */
const AT_ONCE_MS = 1000;

const STREAM = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntick\r\n';
const TICKS: readonly Step[] = Array.from({ length: 200 }, () => [
  { do: 'wait', ms: 20 } as const,
  '4\r\ntick\r\n',
]).flat();

/** The client leaves once that came back, or, where nothing is named, once the application was asked. */
async function leave(target: Target, steps: readonly Step[], sign?: string): Promise<void> {
  const play = await target.application.play(steps);
  using wire = new Wire(target);
  wire.ask(play);
  await play.request();
  if (sign !== undefined) await wire.until(sign, (text) => text.includes(sign));
  wire.socket.destroy();
  await play.freed(AT_ONCE_MS);
}

async function leaveUpload(target: Target, header: string, body: string): Promise<void> {
  const play = await target.application.play([{ do: 'body' }, { do: 'silence' }]);
  using wire = new Wire(target);
  wire.ask(play, 'POST / HTTP/1.1', header).write(body);
  await play.until('some of the body', ({ requests }) => (requests[0]?.bodyBytes ?? 0) > 0);
  wire.socket.destroy();
  await play.freed(AT_ONCE_MS);
  see('the body is whole', (await play.request()).complete, false);
}

const list: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'a client that leaves before the answer frees the upstream at once',
    run: async (target) => await leave(target, [{ do: 'silence' }]),
  },
  {
    name: 'a client that leaves after an interim answer frees the upstream at once',
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 100 Continue\r\n\r\n',
        { do: 'silence' },
      ]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', 'Content-Length: 5', 'Expect: 100-continue');
      await wire.until('100', (text) => text.startsWith('HTTP/1.1 100'));
      await play.request();
      wire.socket.destroy();
      await play.freed(AT_ONCE_MS);
    },
  },
  {
    name: 'a client that leaves while an answer streams frees the upstream at once',
    run: async (target) => await leave(target, [STREAM, ...TICKS], 'tick'),
  },
  {
    name: 'a client that leaves a stream on which nothing happens frees the upstream at once',
    run: async (target) => await leave(target, [STREAM, { do: 'silence' }], 'tick'),
  },
  {
    name: 'a client that stops reading and leaves frees the upstream at once',
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n',
        { do: 'flood', bytes: 200_000_000 },
      ]);
      using wire = new Wire(target);
      wire.ask(play);
      await wire.until('the beginning', (text) => text.length > 1000);
      wire.socket.pause();
      await play.request();
      wire.socket.resetAndDestroy();
      await play.freed(AT_ONCE_MS);
    },
  },
  {
    name: 'a client that leaves during an upload frees the upstream at once',
    run: async (target) => await leaveUpload(target, 'Content-Length: 1000000', 'x'.repeat(20_000)),
  },
  {
    name: 'a client that leaves during a chunked upload leaves no whole body behind',
    run: async (target) =>
      await leaveUpload(target, 'Transfer-Encoding: chunked', '5\r\nhello\r\n'),
  },
  {
    name: 'a hundred clients that leave at once leave no connection behind',
    alone: true,
    async run(target) {
      const play = await target.application.play([{ do: 'silence' }]);
      const wires = Array.from({ length: 100 }, () => new Wire(target).ask(play));
      await play.until('all of them', ({ requests }) => requests.length === 100, 10_000);
      for (const wire of wires) wire.socket.destroy();
      await play.freed(AT_ONCE_MS);
      const { requests } = await play.seen();
      hold('each asked once', requests.length === 100, requests.length);
    },
  },
];

/** Clients that go away. */
export const LEAVING_PROBES: readonly Probe[] = list.map((probe) => ({
  family: 'leaving clients',
  ...probe,
}));
