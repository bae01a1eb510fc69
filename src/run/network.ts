import type { NetworkInspectInfo } from 'dockerode';
import { askEngine } from '../engine/ask.ts';
import type { Engine } from '../engine/connect.ts';
import { isConflict } from '../engine/engine-error.ts';
import { LABEL } from '../engine/labels.ts';

/** The network that an engine has of itself. */
export const DEFAULT_NETWORK = 'bridge';

/** Whether containers on it are kept from one another (`"icc": false` in daemon.json, for the default one). */
export function keepsApart({ Options }: NetworkInspectInfo): boolean {
  return Options?.['com.docker.network.bridge.enable_icc'] === 'false';
}

/**
 * The networks for previews, the one to be used first: the engine's default one if it keeps its
 * containers apart, since it starts a container in less time than any other (decision record 19);
 * then what this pool made.
 */
export async function listNetworks(
  engine: Engine,
  instance: string,
): Promise<NetworkInspectInfo[]> {
  const name = `pool-${instance}`;
  const found = engine.docker.listNetworks({ filters: { name: [DEFAULT_NETWORK, name] } });
  const networks = await askEngine('looking for the network of the previews', found);
  // What keeps containers apart has rules for IPv4 alone on some engines.
  const byDefault = networks.filter(
    (one) => one.Name === DEFAULT_NETWORK && !one.EnableIPv6 && keepsApart(one),
  );
  const ours = networks.filter(
    (one) => one.Name === name && one.Labels?.[LABEL.instance] === instance,
  );
  return [...byDefault, ...ours];
}

/**
 * Makes sure of the one bridge that this pool's previews share, and returns its id or name. Containers
 * on it reach the outside, and neither one another nor one another's published ports (icc off).
 */
export async function ensureNetwork(engine: Engine, instance: string): Promise<string> {
  const [first, ...others] = await listNetworks(engine, instance);
  // Two of one name are left by a pool that was killed while it made one; one in use stays.
  for (const { Id } of others)
    engine.docker
      .getNetwork(Id)
      .remove()
      .catch(() => {});
  // Only by its name is it the default one, for which an engine starts no name server.
  if (first !== undefined) return first.Name === DEFAULT_NETWORK ? DEFAULT_NETWORK : first.Id;
  const name = `pool-${instance}`;
  const made = engine.docker.createNetwork({
    Name: name,
    CheckDuplicate: true,
    Driver: 'bridge',
    Options: { 'com.docker.network.bridge.enable_icc': 'false' },
    Labels: { [LABEL.instance]: instance },
  });
  try {
    return (await askEngine('making the network of the previews', made)).id;
  } catch (error) {
    // Somebody was quicker: another start of ours.
    const [other] = isConflict(error) ? await listNetworks(engine, instance) : [];
    if (other === undefined) throw error;
    return other.Id;
  }
}
