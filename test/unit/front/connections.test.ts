import { expect, it } from 'vitest';
import { Connections } from '../../../src/front/connections.ts';
import { KEEPABLE_BYTES, type Listener } from '../../../src/front/sending.ts';
import { tcpServer } from '../fixtures/servers.ts';

const SIZES = [KEEPABLE_BYTES - 1, KEEPABLE_BYTES, 12_000, 16_383, 16_384, 60_000];

/** Asks for so many bytes of a letter, in one piece, and keeps what it may keep as it came. */
async function keep(connections: Connections, size: number, letter: string): Promise<Buffer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const kept: Buffer[] = [];
  const listener: Listener = {
    onInterim() {},
    onAnswer() {},
    onData(bytes) {
      const mayKeep = bytes.length >= KEEPABLE_BYTES;
      kept.push(mayKeep ? bytes : Buffer.from(bytes));
      return mayKeep;
    },
    onEnd: () => resolve(),
    onFailure: reject,
    onClose() {},
  };
  const head = { method: 'GET', path: `/${size}/${letter}`, headers: [], hasBody: false };
  connections.send(head, listener).end([]);
  await promise;
  return kept;
}

it.each(SIZES)(
  'bytes that were kept stay what they were while others are answered: %i of them',
  async (size) => {
    await using app = await tcpServer((socket) => {
      socket.on('data', (asked) => {
        const [, bytes, letter = ''] = /^GET \/(\d+)\/(\w) /.exec(String(asked)) ?? [];
        const head = `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`;
        socket.write(head);
        // Apart from its head it is read as a piece of its own.
        setTimeout(() => socket.write(letter.repeat(Number(bytes))), 5);
      });
    });
    using connections = new Connections(
      { host: '127.0.0.1', port: app.port },
      { ms: 1000, number: 9 },
    );
    const kept = await keep(connections, size, 'a');
    await keep(connections, size, 'b');
    await Promise.all(['c', 'd'].map(async (letter) => await keep(connections, size, letter)));
    expect(Buffer.concat(kept).toString('latin1')).toBe('a'.repeat(size));
  },
);
