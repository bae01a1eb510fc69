import type { Engine } from '../engine/connect.ts';
import { engineError } from '../engine/engine-error.ts';
import { LABEL } from '../engine/labels.ts';

/**
 * Makes sure of the one bridge that this pool's previews share, and returns its name. Containers
 * on it reach the outside, and neither one another nor one another's published ports (icc off).
 */
export async function ensureNetwork(engine: Engine, instance: string): Promise<string> {
  const name = `pool-${instance}`;
  try {
    const found = await engine.docker.listNetworks({ filters: { name: [name] } });
    if (found.some((network) => network.Name === name)) return name;
    await engine.docker.createNetwork({
      Name: name,
      CheckDuplicate: true,
      Driver: 'bridge',
      Options: { 'com.docker.network.bridge.enable_icc': 'false' },
      Labels: { [LABEL.instance]: instance },
    });
    return name;
  } catch (error) {
    throw engineError(error, 'making the network of the previews');
  }
}
