import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HostPorts } from '../../src/run/host-ports.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { node } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

const COMMITS = 6;
const CLIENTS = 240;
const REQUESTS = 100_000;

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
}

test('ports move between commits under 100,000 requests, and no answer comes from a wrong one', async () => {
  using repository = new GitRepository();
  const commits: string[] = [];
  for (let index = 0; index < COMMITS; index++) {
    commits.push(await repository.commit({ ...node(ECHO), 'number.txt': String(index) }));
  }
  // Two ports more than there are commits, and no rest between two owners.
  const first = 12_000 + 10 * Math.floor(Math.random() * 700);
  const hostPorts = new HostPorts({ first, last: first + COMMITS + 1 }, 0, 0);
  await using pool = await TestPool.open([repository.path], {}, hostPorts);
  for (const commit of commits) expect((await pool.visit(commit)).text).toBe(commit);

  const tally: Tally = { asked: 0, right: 0, wrong: [], refused: 0, cut: 0 };
  using agent = new KeptAlive(CLIENTS);
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const commit = commits[index % COMMITS] ?? '';
    while (tally.asked < REQUESTS) {
      tally.asked += 1;
      const path = tally.asked % 50 === 0 ? '/slow' : '/';
      note(tally, commit, await agent.ask(pool.port, `${commit}.${pool.site}`, path));
    }
  });
  const ended = Promise.all(clients);
  const ends = await endContainers(pool, commits, () => tally.asked < REQUESTS);
  await ended;

  const { wrong, ...counts } = tally;
  const moves = movesOf(pool);
  process.stdout.write(`${JSON.stringify({ ...counts, wrong: wrong.length, ends, moves })}\n`);
  expect(wrong).toEqual([]);
  expect(tally.right).toBeGreaterThan(REQUESTS * 0.8);
  expect(moves, 'ports went from one commit to another').toBeGreaterThan(20);
}, 300_000);

/** Kills, stops, restarts and removes containers by hand, two at a time. Resolves to how many. */
async function endContainers(
  pool: TestPool,
  commits: readonly string[],
  goOn: () => boolean,
): Promise<number> {
  let ends = 0;
  const hand = async (own: readonly string[]) => {
    while (goOn()) {
      const commit = own[Math.floor(Math.random() * own.length)] ?? '';
      const { endpoint, phase } = (await pool.state(commit)).state;
      if (phase === 'failed') await pool.visit(commit, { path: '/_pool/retry', method: 'POST' });
      if (endpoint === undefined) continue;
      const container = pool.engine.docker.getContainer(endpoint.containerId);
      const ways = [
        async () => await container.kill(),
        async () => await container.remove({ force: true }),
        async () => await container.stop({ t: 0 }),
        async () => await container.restart({ t: 0 }),
      ];
      // Pool may have removed it a moment ago.
      await ways[ends % ways.length]?.().catch(() => {});
      ends += 1;
      await sleep(100 + Math.random() * 300);
    }
  };
  const half = commits.length / 2;
  await Promise.all([hand(commits.slice(0, half)), hand(commits.slice(half))]);
  return ends;
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

function note(tally: Tally, commit: string, answer: Seen | 'cut'): void {
  if (answer === 'cut') tally.cut += 1;
  else if (answer.status >= 500) tally.refused += 1;
  else if (answer.commit === commit && answer.text.replaceAll(commit, '') === '') tally.right += 1;
  else tally.wrong.push(`${commit} got ${JSON.stringify(answer)}`);
}

/** One answer, with the commit that its header names. */
interface Seen {
  status: number;
  commit: string | undefined;
  text: string;
}

/** A client that keeps its connections, as browsers do. */
class KeptAlive implements Disposable {
  readonly #agent: Agent;

  constructor(connections: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  ask(port: number, host: string, path: string): Promise<Seen | 'cut'> {
    const { promise, resolve } = Promise.withResolvers<Seen | 'cut'>();
    const options = { host: '127.0.0.1', port, path, headers: { host }, agent: this.#agent };
    const asking = get(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.once('error', () => resolve('cut'));
      response.once('end', () => {
        const commit = response.headers['x-pool-commit'];
        resolve({ status: response.statusCode ?? 0, commit: String(commit), text });
      });
    });
    asking.once('error', () => resolve('cut'));
    return promise;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
