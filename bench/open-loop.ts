import { connect, type Socket } from 'node:net';
import { quantile } from './rounds.ts';

// Requests at a fixed pace, whether answers come or not, over up to 64 kept connections; each is
// measured from the moment at which it was due. `ADDRESS PORT HOST RATE SECONDS`; prints quantiles in ms.
const [address = '', port = '', host = '', rate = '', seconds = ''] = process.argv.slice(2);
const REQUEST = `GET / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`;
const CONNECTIONS = 64;
/** Longer than the timer's own slack, shorter than what is to be told apart. */
const NAP_MS = 0.03;
const SLEEPER = new Int32Array(new SharedArrayBuffer(4));

const total = Number(rate) * Number(seconds);
const due: number[] = [];
const idle: Client[] = [];
const took: number[] = [];
let [sent, failed] = [0, 0];

/** A connection that asks again and again. */
class Client {
  readonly #socket: Socket;
  #since = 0;
  #left = -1;

  constructor() {
    this.#socket = connect({ port: Number(port), host: address, noDelay: true });
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('error', () => {}).on('close', () => (failed += 1));
  }

  ask(since: number): void {
    this.#since = since;
    this.#left = -1;
    this.#socket.write(REQUEST, 'latin1');
  }

  #read(bytes: Buffer): void {
    let body = bytes.length;
    if (this.#left === -1) {
      const end = bytes.indexOf('\r\n\r\n');
      const head = bytes.toString('latin1', 0, end);
      const length = /^content-length: *(\d+)/im.exec(head)?.[1];
      if (!head.startsWith('HTTP/1.1 200') || length === undefined) failed += 1;
      this.#left = Number(length);
      body -= end + 4;
    }
    this.#left -= body;
    if (this.#left > 0) return;
    took.push(performance.now() - this.#since);
    const next = due.shift();
    if (next === undefined) idle.push(this);
    else this.ask(next);
  }
}

for (let index = 0; index < CONNECTIONS; index += 1) idle.push(new Client());
const begun = performance.now() + 200;
tick();

function tick(): void {
  const now = performance.now();
  for (; sent < total && begun + (sent * 1000) / Number(rate) <= now; sent += 1) {
    const since = begun + (sent * 1000) / Number(rate);
    const client = idle.shift();
    if (client === undefined) due.push(since);
    else client.ask(since);
  }
  if (took.length + failed >= total || now > begun + Number(seconds) * 1000 + 5000) return finish();
  // Node's timers count whole milliseconds.
  Atomics.wait(SLEEPER, 0, 0, NAP_MS);
  setImmediate(tick);
}

function finish(): void {
  const sorted = took.toSorted((a, b) => a - b);
  const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
  process.stdout.write(JSON.stringify({ p50, p99, failed: failed + total - took.length }));
  process.exit();
}
