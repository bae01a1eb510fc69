import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HostPorts } from '../../src/run/host-ports.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { parseAnswer } from '../unit/fixtures/servers.ts';
import { node } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

const COMMITS = 6;
const CLIENTS = 240;
const REQUESTS = 100_000;
/** So often three of the six containers are ended meanwhile. */
const ROUNDS = 40;

/** Says which commit it is; below `/slow` says it twice, so that an answer is cut by its end. */
const ECHO = `
const commit = process.env.POOL_COMMIT;
require('node:http').createServer((request, response) => {
  if (request.url !== '/slow') return response.end(commit);
  response.write(commit);
  setTimeout(() => response.end(commit), 40);
}).listen(3000);
`;

/** What visitors saw, over all of them. */
interface Tally {
  asked: number;
  right: number;
  wrong: string[];
  refused: number;
  cut: number;
  slowestMs: number;
}

test('ports move between commits under 100,000 requests, and no answer comes from a wrong one', async () => {
  using repository = new GitRepository();
  const commits: string[] = [];
  for (let index = 0; index < COMMITS; index++) {
    commits.push(await repository.commit({ ...node(ECHO), 'number.txt': String(index) }));
  }
  // One port more than there are commits, and no rest between two owners.
  const first = 12_000 + 10 * Math.floor(Math.random() * 700);
  const hostPorts = new HostPorts({ first, last: first + COMMITS }, 0, 0);
  await using pool = await TestPool.open([repository.path], {}, hostPorts);
  for (const commit of commits) expect((await pool.visit(commit)).text).toBe(commit);

  const begun = Date.now();
  const tally: Tally = { asked: 0, right: 0, wrong: [], refused: 0, cut: 0, slowestMs: 0 };
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const commit = commits[index % COMMITS] ?? '';
    using client = new KeptConnection(pool.port);
    while (tally.right < REQUESTS) {
      tally.asked += 1;
      const path = tally.asked % 50 === 0 ? '/slow' : '/';
      const asked = Date.now();
      const right = note(tally, commit, await client.ask(`${commit}.${pool.site}`, path));
      tally.slowestMs = Math.max(tally.slowestMs, Date.now() - asked);
      // Whoever is refused asks again, but not as fast as he can.
      if (!right) await sleep(50);
    }
  });
  const ended = Promise.all(clients);
  await endContainers(pool, commits, tally);
  await ended;

  const { wrong, ...counts } = tally;
  const moves = movesOf(pool);
  const seconds = Math.round((Date.now() - begun) / 1000);
  process.stdout.write(`${JSON.stringify({ ...counts, wrong: wrong.length, moves, seconds })}\n`);
  expect(wrong).toEqual([]);
  expect(tally.right).toBeGreaterThanOrEqual(REQUESTS);
  expect(moves, 'ports went from one commit to another').toBeGreaterThan(20);
}, 600_000);

/** Ends containers by hand, three at once, so that they take one another's ports. */
async function endContainers(
  pool: TestPool,
  commits: readonly string[],
  tally: Tally,
): Promise<void> {
  for (let round = 1; round < ROUNDS; round++) {
    while (tally.right < (round * REQUESTS) / ROUNDS) await sleep(5);
    const three = commits.map((_, index) => commits[(round + index) % COMMITS] ?? '').slice(0, 3);
    await Promise.all(three.map(async (commit) => await endContainer(pool, commit, round)));
  }
}

async function endContainer(pool: TestPool, commit: string, round: number): Promise<void> {
  const { endpoint, phase } = (await pool.state(commit)).state;
  if (phase === 'failed') await pool.visit(commit, { path: '/_pool/retry', method: 'POST' });
  if (endpoint === undefined) return;
  const container = pool.engine.docker.getContainer(endpoint.containerId);
  const ways = [
    async () => await container.kill(),
    async () => await container.remove({ force: true }),
    async () => await container.stop({ t: 0 }),
    async () => await container.restart({ t: 0 }),
  ];
  // Pool may have removed it a moment ago.
  await ways[round % ways.length]?.().catch(() => {});
}

/** How often a port of the host was published by another commit than before. */
function movesOf(pool: TestPool): number {
  const owners = new Map<unknown, unknown>();
  let moves = 0;
  for (const { fields } of pool.events.filter((one) => one.fields['phase'] === 'ready')) {
    const { endpoint, commit } = fields;
    if (owners.has(endpoint) && owners.get(endpoint) !== commit) moves += 1;
    owners.set(endpoint, commit);
  }
  return moves;
}

/** Counts an answer; true where it is the application's own. */
function note(tally: Tally, commit: string, answer: Seen | 'cut'): boolean {
  const right =
    answer !== 'cut' && answer.commit === commit && answer.text.replaceAll(commit, '') === '';
  if (answer === 'cut') tally.cut += 1;
  else if (answer.status >= 500) tally.refused += 1;
  else if (right) tally.right += 1;
  else tally.wrong.push(`${commit} got ${JSON.stringify(answer)}`);
  return right;
}

/** One answer, with the commit that its header names. */
interface Seen {
  status: number;
  commit: string | undefined;
  text: string;
}

/**
 * A client that keeps its connection, as browsers do, and reads just what it needs: a hundred
 * thousand answers must not take the machine that the applications run on.
 */
class KeptConnection implements Disposable {
  readonly #port: number;
  #socket: Socket | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async ask(host: string, path: string): Promise<Seen | 'cut'> {
    const socket = (this.#socket ??= this.#connect());
    const { promise, resolve } = Promise.withResolvers<Seen | 'cut'>();
    let text = '';
    const listener = (piece: string) => {
      text += piece;
      const seen = parseSeen(text);
      if (seen !== undefined) resolve(seen);
    };
    const cut = () => {
      this.#socket = undefined;
      resolve('cut');
    };
    socket.on('data', listener).once('close', cut);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const seen = await promise;
    socket.off('data', listener).off('close', cut);
    if (/^connection: close/im.test(text)) this[Symbol.dispose]();
    return seen;
  }

  #connect(): Socket {
    const socket = connect(this.#port, '127.0.0.1').setEncoding('latin1');
    return socket.on('error', () => {});
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

/** An answer that is whole; `undefined` where more is to come. */
function parseSeen(text: string): Seen | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const { status, headers, body } = parseAnswer(text);
  const whole =
    headers['transfer-encoding'] === 'chunked'
      ? text.endsWith('\r\n0\r\n\r\n')
      : text.length - end - 4 >= Number(headers['content-length'] ?? 0);
  return whole ? { status, commit: headers['x-pool-commit'], text: body } : undefined;
}
