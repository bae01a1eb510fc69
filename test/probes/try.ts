import PQueue from 'p-queue';
import { NotApplicable, type Probe, type Target } from './probe.ts';

/** Probes under way at once: enough to wait side by side, few enough that none waits for another. */
export const AT_ONCE = 16;

/** What became of a probe: well, or what it saw. */
export type Outcome = { is: 'passed' } | { is: 'failed' | 'not applicable'; saw: string };

/** Runs probes against one target: side by side first, then those that need to be alone. */
export async function tryAll(
  target: Target,
  probes: readonly Probe[],
): Promise<ReadonlyMap<Probe, Outcome>> {
  const outcomes = new Map<Probe, Outcome>();
  const attempt = async (probe: Probe) => void outcomes.set(probe, await tryOne(target, probe));
  const queue = new PQueue({ concurrency: AT_ONCE });
  await queue.addAll(probes.filter(({ alone }) => !alone).map((probe) => () => attempt(probe)));
  for (const probe of probes.filter(({ alone }) => alone)) await attempt(probe);
  return outcomes;
}

async function tryOne(target: Target, probe: Probe): Promise<Outcome> {
  try {
    await probe.run(target);
    return { is: 'passed' };
  } catch (error) {
    const saw = error instanceof Error ? error.message : String(error);
    return { is: error instanceof NotApplicable ? 'not applicable' : 'failed', saw };
  }
}
