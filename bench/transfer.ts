import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

// One body down or up over a connection of its own: `PORT HOST down|up BYTES MB-PER-SECOND`, where
// 0 MB are as many as there can be. Ends when the last byte came or was answered.
const [port = '', host = '', way = '', bytes = '', pace = ''] = process.argv.slice(2);
const MB = 1_000_000;
const CHUNK = Buffer.alloc(65_536, 'x');

const total = Number(bytes);
const begun = performance.now();
const socket = connect({ port: Number(port), host: '127.0.0.1' });
const down = way === 'down';
const line = down ? `GET /${total} HTTP/1.1` : `POST / HTTP/1.1\r\nContent-Length: ${total}`;
socket.write(`${line}\r\nHost: ${host}\r\nAccept: */*\r\n\r\n`);
await (down ? download() : upload());
socket.destroy();

async function download(): Promise<void> {
  let got = -1;
  for await (const bytesNow of socket) {
    const piece = bytesNow as Buffer;
    // What the head is long is known as soon as it ends.
    got += got === -1 ? 1 + piece.length - (piece.indexOf('\r\n\r\n') + 4) : piece.length;
    await keepPace(got);
    if (got >= total) return;
  }
  throw new Error(`only ${got} of ${total} bytes came`);
}

async function upload(): Promise<void> {
  for (let sent = 0; sent < total; sent += CHUNK.length) {
    const piece = CHUNK.subarray(0, Math.min(CHUNK.length, total - sent));
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.write(piece, () => resolve());
    await promise;
    await keepPace(sent);
  }
  const [answer] = await socket.take(1).toArray();
  if (!String(answer).startsWith('HTTP/1.1 200')) throw new Error(String(answer));
}

/** Waits until so many bytes are due. */
async function keepPace(done: number): Promise<void> {
  if (pace === '0') return;
  const due = begun + (done / MB / Number(pace)) * 1000;
  const ahead = due - performance.now();
  if (ahead > 1) await sleep(ahead);
}
