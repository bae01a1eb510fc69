import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import type { WayCost } from './relay-way.ts';
import { spreadText } from './report.ts';
import { alternating, spreadOf } from './rounds.ts';

/** The ways from the host into a container. */
export const relay: Benchmark = { name: 'relay', title: "The engine's relay", run };

async function run({ quick }: BenchOptions): Promise<Section> {
  const rounds = quick ? 1 : 7;
  const seconds = quick ? 1 : 3;
  await using usual = await EngineOfItsOwn.start(seconds, []);
  await using nat = await EngineOfItsOwn.start(seconds, ['--userland-proxy=false']);
  const turns = {
    'published port, relay': () => usual.measure('port'),
    'published port, kernel NAT': () => nat.measure('port'),
    "container's address": () => usual.measure('address'),
  };
  for (const turn of Object.values(turns)) await turn();
  const costs = await alternating(rounds, turns);
  const names = Object.keys(turns) as (keyof typeof turns)[];
  const all = (name: keyof typeof turns, what: keyof WayCost) =>
    spreadOf(costs[name].map((one) => one[what]));
  const more =
    all('published port, relay', 'p50').median - all("container's address", 'p50').median;
  return {
    how: `The same Node application in a container, asked without pool: at its port published on loopback by an engine as it comes (a relay process, docker-proxy, for each port), by one with \`--userland-proxy=false\` (the kernel's NAT alone), and at its own address on the bridge. Each engine has a network namespace of its own. p50 at 2,000 requests a second; CPU with 64 connections that ask as fast as they are answered: of the relay's process, and of the whole machine, load and application included. ${rounds} rounds of ${seconds} s by turns.`,
    tables: [
      {
        header: ['way', 'p50, ms', "relay's CPU per request, µs", "machine's CPU per request, µs"],
        rows: names.map((name) => [
          name,
          spreadText(all(name, 'p50'), 3),
          spreadText(all(name, 'relay'), 1),
          spreadText(all(name, 'machine'), 1),
        ]),
      },
    ],
    goals: [
      {
        what: "the engine's relay, CPU per request",
        must: 'printed',
        got: `${spreadText(all('published port, relay', 'relay'), 1)} µs`,
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

/** An engine with a container, in a process and a network namespace that no other engine shares. */
class EngineOfItsOwn implements AsyncDisposable {
  readonly version: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, version: string) {
    this.#child = child;
    this.version = version;
  }

  static async start(seconds: number, flags: readonly string[]): Promise<EngineOfItsOwn> {
    const script = 'ip link set lo up && exec "$0" "$@"';
    const way = [process.execPath, join(import.meta.dirname, 'relay-way.ts'), String(seconds)];
    const child = spawn('unshare', ['--net', 'sh', '-c', script, ...way, ...flags], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const { version } = (await said(child)) as { version: string };
    return new EngineOfItsOwn(child, version);
  }

  async measure(way: 'port' | 'address'): Promise<WayCost> {
    this.#child.send(way);
    return (await said(this.#child)) as WayCost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

/** What a process says next; throws where it ends instead. */
async function said(child: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  const gone = once(child, 'exit', { signal: over.signal }).then(() => {
    throw new Error('the engine with a network of its own could not be had');
  });
  const message = once(child, 'message', { signal: over.signal }).then(([told]) => told as unknown);
  try {
    return await Promise.race([message, gone]);
  } finally {
    over.abort();
  }
}
