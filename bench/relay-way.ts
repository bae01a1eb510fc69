import { readdirSync, readFileSync } from 'node:fs';
import { connectEngine } from '../src/engine/connect.ts';
import { OwnEngine } from '../test/engine/fixtures/own-engine.ts';
import { type Asked, cost } from './closed-loop.ts';
import { servePreview } from './preview.ts';
import { cpuMs } from './process.ts';
import { waits } from './waits.ts';

// An application in a container of an engine with flags of its own, in a network of its own: engines
// share a network's rules, and one without a relay leaves some that break the others' ports.
// `SECONDS FLAG…`; answers each way that it is asked for, and `version`; ends with its parent.

/** What one way costs. */
export interface WayCost {
  p50: number;
  /** µs of CPU per request: the relay's, and the whole machine's. */
  relay: number;
  machine: number;
}

const [seconds = '1', ...flags] = process.argv.slice(2);
await using engine = await OwnEngine.start(flags);
process.env['DOCKER_HOST'] = engine.host;
await using preview = await servePreview();
const { docker, version } = await connectEngine(engine.host, process.env);
const { NetworkSettings } = await docker.getContainer(preview.containerId).inspect();
const [network] = Object.values(NetworkSettings.Networks);
const ways: Readonly<Record<string, Asked>> = {
  port: { port: preview.hostPort },
  address: { address: network?.IPAddress ?? '', port: 3000 },
};
const relayPid = relayOf(preview.hostPort);

const { promise: parentLeft, resolve } = Promise.withResolvers<void>();
process.once('disconnect', resolve);
process.on('message', (way: string) => void measure(way).then((found) => process.send?.(found)));
process.send?.({ version });
await parentLeft;

async function measure(way: string): Promise<WayCost> {
  const asked = ways[way] ?? { port: 0 };
  const { p50 } = await waits(asked, 'x', Number(seconds));
  const before = relayPid === undefined ? 0 : cpuMs(relayPid);
  const { requests, cpuPerRequest } = await cost(asked, Number(seconds));
  const used = relayPid === undefined ? 0 : cpuMs(relayPid) - before;
  return { p50, relay: (used * 1000) / requests, machine: cpuPerRequest };
}

/** The process that relays a port, where there is one. */
function relayOf(hostPort: number): number | undefined {
  const found = readdirSync('/proc').find((pid) => {
    const [command, ...args] = commandOf(pid);
    return command?.endsWith('docker-proxy') && args.includes(String(hostPort));
  });
  return found === undefined ? undefined : Number(found);
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
