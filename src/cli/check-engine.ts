import { realpath } from 'node:fs/promises';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { askEngine } from '../engine/ask.ts';
import { connectEngine, type Engine, exposedOn, isLoopback } from '../engine/connect.ts';
import { instanceOf, LABEL } from '../engine/labels.ts';
import { PreviewError } from '../errors.ts';
import { DEFAULT_NETWORK, listNetworks, keepsApart } from '../run/network.ts';
import { bad, type Finding, ok, warn } from './finding.ts';

/** What of `GET /info` is looked at. */
const Info = z.object({
  Driver: z.string(),
  LiveRestoreEnabled: z.boolean().default(false),
  SecurityOptions: z.array(z.string()).default([]),
});

/** An image with a web server and `nc` in it, small enough to be started for a look. */
const PROBE_IMAGE = 'busybox:latest';

/** Whether the engine answers, and how it is set up. */
export async function checkEngine(config: Config): Promise<Finding[]> {
  const { dataDir, publishOn } = config;
  const instance = config.instance ?? instanceOf(await realpath(dataDir).catch(() => dataDir));
  try {
    const engine = await connectEngine(config.engine, process.env, publishOn);
    const info = Info.parse(await askEngine('asking how it is set up', engine.docker.info()));
    const rootless = info.SecurityOptions.includes('name=rootless');
    const where = `${engine.version} at ${engine.host}${rootless ? ', rootless' : ''}`;
    const [major = 0, minor = 0] = engine.version.split('.').map(Number);
    const old = major < 20 || (major === 20 && minor < 10);
    return [
      old ? bad('engine', where, 'Take Docker Engine 20.10 or later.') : ok('engine', where),
      engine.buildKit
        ? ok('builder', 'BuildKit')
        : warn('builder', 'classic: no cache mounts', 'Take an engine with BuildKit.'),
      info.LiveRestoreEnabled
        ? ok('live-restore', 'on: previews outlive a restart of the engine')
        : warn(
            'live-restore',
            'off: a restart of the engine ends previews',
            'Set "live-restore": true in its daemon.json.',
          ),
      info.Driver === 'vfs'
        ? warn('storage', 'vfs: each layer is a whole copy', 'Take overlay2.')
        : ok('storage', info.Driver),
      await checkApart(engine, instance),
      isLoopback(publishOn)
        ? ok('ports', `published on ${publishOn}, which this machine alone reaches`)
        : warn('ports', exposedOn(publishOn).words, 'Let a firewall there admit pool alone.'),
    ];
  } catch (error) {
    if (!(error instanceof PreviewError)) throw error;
    return [bad('engine', error.message, error.next)];
  }
}

/** Whether previews reach one another on their network: tried where it can be, else read. */
async function checkApart(engine: Engine, instance: string): Promise<Finding> {
  const about = 'isolation';
  const [network] = await listNetworks(engine, instance);
  if (network === undefined)
    return ok(about, 'the network of the previews is made by the first one');
  const name = network.Name;
  const next = `Stop pool, run "docker network rm ${name}", and start pool again.`;
  if (!keepsApart(network))
    return bad(about, 'previews may reach one another: enable_icc is not off', next);
  const image = await engine.docker
    .getImage(PROBE_IMAGE)
    .inspect()
    .catch(() => undefined);
  const reached = image === undefined ? undefined : await reaches(engine, instance, name);
  const where = name === DEFAULT_NETWORK ? "on the engine's own network" : `on ${name}`;
  if (reached === undefined)
    return ok(about, `enable_icc is off ${where} (read; with ${PROBE_IMAGE} there it is tried)`);
  return reached
    ? bad(
        about,
        `a container reaches another ${where} although enable_icc is off`,
        'Look at the firewall of this machine: "iptables -S FORWARD".',
      )
    : ok(about, `tried: one container does not reach another ${where}`);
}

/** Starts two containers on a network: whether the second reaches the first; nothing where that did not run. */
export async function reaches(
  { docker }: Engine,
  instance: string,
  network: string,
): Promise<boolean | undefined> {
  await using made = new AsyncDisposableStack();
  const start = async (command: string) => {
    const container = await docker.createContainer({
      Image: PROBE_IMAGE,
      Cmd: ['sh', '-c', command],
      Labels: { [LABEL.instance]: instance },
      HostConfig: { NetworkMode: network, PidsLimit: 20, Memory: 32 * 2 ** 20 },
    });
    made.defer(async () => await container.remove({ force: true }));
    await container.start();
    return container;
  };
  const first = await askEngine('starting a container', start('busybox httpd -f -p 8080'));
  const { NetworkSettings } = await first.inspect();
  const address = NetworkSettings.Networks[network]?.IPAddress ?? '';
  const second = await askEngine(
    'starting a container',
    start(`for i in 1 2 3; do nc -w 1 ${address} 8080 </dev/null && exit; sleep 0.1; done; exit 1`),
  );
  const { StatusCode } = (await askEngine('waiting for it', second.wait())) as {
    StatusCode: number;
  };
  const { State } = await first.inspect();
  return State.Running ? StatusCode === 0 : undefined;
}
