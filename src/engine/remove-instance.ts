import type { Engine } from './connect.ts';
import { LABEL, labelFilter } from './labels.ts';

/**
 * Removes every container, image and network that carries an instance's label, and nothing else.
 * For those who made a pool to throw it away: tests, and the demo's check.
 */
export async function removeInstance({ docker }: Engine, instance: string): Promise<void> {
  const filters = labelFilter({ [LABEL.instance]: instance });
  const containers = await docker.listContainers({ all: true, filters });
  const removals = containers.map(({ Id }) =>
    docker.getContainer(Id).remove({ force: true, v: true }),
  );
  await Promise.all(removals);
  // By name too: what the classic builder made has no label.
  const named = await docker.listImages({ filters: { reference: [`pool-${instance}/*`] } });
  const images = [...named, ...(await docker.listImages({ filters }))];
  for (const id of new Set(images.map(({ Id }) => Id))) {
    await docker.getImage(id).remove({ force: true });
  }
  for (const { Id } of await docker.listNetworks({ filters })) {
    await docker.getNetwork(Id).remove();
  }
}
