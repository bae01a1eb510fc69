import { askEngine } from '../engine/ask.ts';
import type { Engine } from '../engine/connect.ts';
import { isConflict } from '../engine/engine-error.ts';
import { LABEL, labelFilter } from '../engine/labels.ts';

/**
 * Makes sure of the one bridge that this pool's previews share, and returns its id. Containers
 * on it reach the outside, and neither one another nor one another's published ports (icc off).
 */
export async function ensureNetwork(engine: Engine, instance: string): Promise<string> {
  const name = `pool-${instance}`;
  const ours = labelFilter({ [LABEL.instance]: instance });
  const found = engine.docker.listNetworks({ filters: { ...ours, name: [name] } });
  const networks = await askEngine('looking for the network of the previews', found);
  const [first, ...others] = networks.filter((network) => network.Name === name);
  // A pool that was killed while it made one may leave two of one name; one in use stays.
  for (const { Id } of others)
    engine.docker
      .getNetwork(Id)
      .remove()
      .catch(() => {});
  if (first !== undefined) return first.Id;
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
    // Somebody was quicker: another start of ours, for nobody else has this name.
    if (isConflict(error)) return name;
    throw error;
  }
}
