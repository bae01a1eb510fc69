import { readdirSync, readFileSync } from 'node:fs';
import { connectEngine } from '../src/engine/connect.ts';
import { OwnEngine } from '../test/engine/fixtures/own-engine.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { type Asked, cost } from './closed-loop.ts';
import { servePreview } from './preview.ts';
import { cpuMs } from './process.ts';
import { spreadText } from './report.ts';
import { alternating, eachOf, spreadOf } from './rounds.ts';
import { waits } from './waits.ts';

/** The ways from the host into a container. */
export const relay: Benchmark = { name: 'relay', title: "The engine's relay", run };

const WAYS = [
  'published port, relay',
  'published port, kernel NAT',
  "container's address",
] as const;
type Way = (typeof WAYS)[number];

async function run({ quick }: BenchOptions): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const usual = await previewOf(stack, []);
  const nat = await previewOf(stack, ['--userland-proxy=false']);
  const relayPid = relayOf(usual.hostPort);
  const ways: Record<Way, Asked> = {
    'published port, relay': { port: usual.hostPort },
    'published port, kernel NAT': { port: nat.hostPort },
    "container's address": { address: usual.address, port: 3000 },
  };
  const rounds = quick ? 1 : 7;
  const seconds = quick ? 1 : 3;
  const waited = await alternating(
    rounds,
    eachOf(WAYS, (way) => waits(ways[way], 'x', seconds)),
  );
  const costs = await alternating(
    rounds,
    eachOf(WAYS, async (way) => {
      const before = cpuMs(relayPid);
      const { requests, cpuPerRequest } = await cost(ways[way], seconds);
      return { machine: cpuPerRequest, relay: ((cpuMs(relayPid) - before) * 1000) / requests };
    }),
  );
  const p50 = (way: Way) => spreadOf(waited[way].map((one) => one.p50));
  const rows = WAYS.map((way) => [
    way,
    spreadText(p50(way), 3),
    spreadText(spreadOf(costs[way].map((one) => one.relay)), 1),
    spreadText(spreadOf(costs[way].map((one) => one.machine)), 1),
  ]);
  const relayed = spreadOf(costs[WAYS[0]].map((one) => one.relay));
  const more = p50(WAYS[0]).median - p50(WAYS[2]).median;
  return {
    how: `The same Node application in a container, asked without pool: at its port published on loopback by an engine as it comes (a relay process, docker-proxy, for each port), by one with \`--userland-proxy=false\` (the kernel's NAT alone), and at its own address on the bridge. p50 at 2,000 requests a second; CPU with 64 connections that ask as fast as they are answered: of the relay's process, and of the whole machine, load and application included. ${rounds} rounds of ${seconds} s by turns.`,
    tables: [
      {
        header: ['way', 'p50, ms', "relay's CPU per request, µs", "machine's CPU per request, µs"],
        rows,
      },
    ],
    goals: [
      {
        what: "the engine's relay, CPU per request",
        must: 'printed',
        got: `${spreadText(relayed, 1)} µs`,
      },
      {
        what: "the engine's relay, p50 above the container's address",
        must: 'printed',
        got: `${more.toFixed(3)} ms`,
      },
    ],
    notSaid:
      "The kernel charges its NAT to whoever happens to run, so that only the whole machine's CPU compares; that counts whatever else runs on it. Which way pool dials, and why, is decision record 17.",
    contestants: [`Docker ${usual.version}`],
  };
}

/** An application in a container of an engine with such flags. */
async function previewOf(stack: AsyncDisposableStack, flags: readonly string[]) {
  const own = stack.use(await OwnEngine.start(flags));
  process.env['DOCKER_HOST'] = own.host;
  const preview = stack.use(await servePreview());
  const { docker, version } = await connectEngine(own.host, process.env);
  const { NetworkSettings } = await docker.getContainer(preview.containerId).inspect();
  const [network] = Object.values(NetworkSettings.Networks);
  return { hostPort: preview.hostPort, address: network?.IPAddress ?? '', version };
}

/** The process that relays a port. */
function relayOf(hostPort: number): number {
  const found = readdirSync('/proc').find((pid) => {
    const [command, ...args] = commandOf(pid);
    return command?.endsWith('docker-proxy') && args.includes(String(hostPort));
  });
  if (found === undefined) throw new Error(`nothing relays port ${hostPort}`);
  return Number(found);
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
