import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  freePort,
  type Peer,
  PEERS,
  type Running,
  startPeer,
  versionOf,
} from '../test/probes/peers.ts';
import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { cost } from './closed-loop.ts';
import { startFront } from './contestants.ts';
import { CORE, residentBytes } from './process.ts';
import { spreadText } from './report.ts';
import { alternating, ratios, spreadOf } from './rounds.ts';
import { fastApplication } from './upstream.ts';

const MANY = 5000;
/** Below the ports that connections are made from; pool's own range of ports is above them too. */
const FIRST_PORT = 10_000;
const MOST_FOR_ONE = 1.15;
const MOST_GROWTH = 1.2;
const MOST_BYTES = 250_000_000;

/** What it costs to know many previews. */
export const manyRoutes: Benchmark = { name: 'routes', title: '5,000 routes', run };

async function run({ quick }: BenchOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(new TemporaryFolder());
  stack.use(await fastApplication(folder, FIRST_PORT, { ports: MANY }));
  const pools = [1, MANY].map(async (many) => await startFront(await freePort(), FIRST_PORT, many));
  const [small, large] = (await Promise.all(pools)).map((one) => stack.use(one));
  const nginxes = [1, MANY].map(async (many) => await startNginx(folder, many));
  const [nginxSmall, nginxLarge] = (await Promise.all(nginxes)).map((one) => stack.use(one));
  if (!small || !large || !nginxSmall || !nginxLarge) throw new Error('four were started');
  const seconds = quick ? 1 : 4;
  const rounds = quick ? 1 : 7;
  const all = Array.from({ length: MANY }, (_, index) => hostOf(index));
  const one = all.slice(0, 1);
  const turns = {
    'pool, a table of one': () => cost(small, seconds, one),
    'pool, one of 5,000': () => cost(large, seconds, one),
    'pool, all 5,000 in turn': () => cost(large, seconds, all),
    'nginx, a table of one': () => cost(nginxSmall, seconds, one),
    'nginx, one of 5,000': () => cost(nginxLarge, seconds, one),
    'nginx, all 5,000 in turn': () => cost(nginxLarge, seconds, all),
  };
  for (const turn of Object.values(turns)) await turn();
  const costs = await alternating(rounds, turns);
  const cpu = (name: keyof typeof turns) => costs[name].map((each) => each.cpuPerRequest);
  const growth = (who: 'pool' | 'nginx') =>
    ratios(cpu(`${who}, all 5,000 in turn`), cpu(`${who}, a table of one`));
  const forOne = spreadOf(ratios(cpu('pool, one of 5,000'), cpu('pool, a table of one')));
  const compared = spreadOf(ratios(growth('pool'), growth('nginx')));
  const resident = residentBytes(large.pid);
  const names = Object.keys(turns) as (keyof typeof turns)[];
  return {
    how: `pool's front with ${MANY} routes published, each to a port of its own, beside one with a single route; nginx with a \`map\` of as many hosts to as many \`upstream\`s that keep connections. 64 connections ask as fast as they are answered, for one host, or for all of them one after the other, so that nothing is asked for twice in ${MANY} requests. The application is one bare nginx on ${MANY} ports. ${rounds} rounds of ${seconds} s by turns.`,
    tables: [
      {
        header: ['', 'CPU per request, µs'],
        rows: names.map((name) => [name, spreadText(spreadOf(cpu(name)), 1)]),
      },
      {
        header: ['growth, all in turn to a table of one', ''],
        rows: (['pool', 'nginx'] as const).map((who) => [
          who,
          spreadText(spreadOf(growth(who)), 2),
        ]),
      },
    ],
    goals: [
      {
        what: '5,000 routes, all traffic to one, CPU to a table of one',
        must: `at most ${MOST_FOR_ONE}`,
        got: spreadText(forOne, 2),
        reached: forOne.median <= MOST_FOR_ONE,
      },
      {
        what: "5,000 routes walked over, growth to nginx's own",
        must: `at most ${MOST_GROWTH}`,
        got: spreadText(compared, 2),
        reached: compared.median <= MOST_GROWTH,
      },
      {
        what: "5,000 routes, the front's memory",
        must: 'under 250 MB',
        got: `${(resident / 1_000_000).toFixed(0)} MB`,
        reached: resident < MOST_BYTES,
      },
    ],
    notSaid:
      'There are no 5,000 containers behind it, nor a control plane with as many previews: the routes are published to the front as the control plane would. What the engine needs for so many containers is more than pool does.',
    contestants: [`nginx ${await versionOf(nginx())}`],
  };
}

function nginx(): Peer {
  const [first] = PEERS;
  if (first?.name !== 'nginx') throw new Error('nginx is the first of the peers');
  return first;
}

/** nginx as the other benchmarks have it, with a table of hosts. */
async function startNginx(folder: string, many: number): Promise<Running> {
  const table: Peer = {
    ...nginx(),
    async prepare(own, port, applicationPort) {
      const command = await nginx().prepare(own, port, applicationPort);
      const upstreams = Array.from({ length: many }, (_, index) => upstream(index));
      const hosts = Array.from({ length: many }, (_, index) => `${hostOf(index)} u${index};`);
      writeFileSync(
        join(own, 'table.conf'),
        `map_hash_max_size 32768; map_hash_bucket_size 128;
map $http_host $preview { ${hosts.join('\n')} }
${upstreams.join('\n')}
`,
      );
      const [, , file = ''] = command;
      writeFileSync(file, withTable(readFileSync(file, 'utf8'), join(own, 'table.conf')));
      return command;
    },
  };
  const own = join(folder, `nginx-${many}`);
  mkdirSync(own);
  return await startPeer(table, own, FIRST_PORT, ['taskset', '-c', String(CORE.measured)]);
}

function upstream(index: number): string {
  return `upstream u${index} { server 127.0.0.1:${FIRST_PORT + index}; keepalive 256; }`;
}

function withTable(configuration: string, table: string): string {
  return configuration
    .replace('http {', `http {\n  include ${table};`)
    .replace('http://application', 'http://$preview');
}

/** The Host of a route of ours. */
function hostOf(index: number): string {
  return `${createHash('sha1').update(String(index)).digest('hex')}.pool.localhost`;
}
