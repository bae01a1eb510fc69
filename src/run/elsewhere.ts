import { setTimeout as sleep } from 'node:timers/promises';
import type { Port } from '../address/label.ts';
import type { Containers } from './containers.ts';
import type { Endpoint } from './endpoint.ts';
import { unpublishedPorts, whereItListens } from './listening.ts';

/** The kernel's tables are read so often: what they say matters after a second at the earliest. */
const LOOK_EVERY_MS = 200;
/** Applications open several ports, one after another; a second after the first they are open. */
const SETTLED_MS = 1000;
/** Where a published port listens as well, its first answer may be slow: a page compiled on demand. */
const SLOW_ANSWER_MS = 10_000;

/**
 * Watches where an application listens while nobody has an answer yet. With `mayMove` resolves to
 * the ports that it listens on and that are not published, once they have stayed so for a second,
 * or for ten where a published one listens too; else once `over` aborts, to nothing. Where it
 * listens in vain is told to `lines`, once: nobody need wait for the limit to know.
 */
export async function untilElsewhere(
  containers: Pick<Containers, 'listening'>,
  { containerId, published }: Endpoint,
  mayMove: boolean,
  lines: (lines: readonly string[]) => void,
  over: AbortSignal,
): Promise<Port[] | undefined> {
  // In looks and not by a clock, which may be a millisecond behind a timer.
  let foundMs = 0;
  let hiddenMs = 0;
  while (!over.aborted) {
    await sleep(LOOK_EVERY_MS, undefined, { signal: over }).catch(() => {});
    if (over.aborted) break;
    const sockets = (await containers.listening(containerId)) ?? [];
    const ports = unpublishedPorts(sockets, published);
    foundMs = ports.length === 0 ? 0 : foundMs + LOOK_EVERY_MS;
    const reachable = sockets.some(({ port, loopback }) => !loopback && port in published);
    const patienceMs = reachable ? SLOW_ANSWER_MS : SETTLED_MS;
    if (mayMove && foundMs >= patienceMs) return ports;
    hiddenMs = sockets.length > 0 && !reachable ? hiddenMs + LOOK_EVERY_MS : 0;
    if (hiddenMs === SETTLED_MS) lines([`pool: ${whereItListens(sockets, published).words}`]);
  }
  return undefined;
}
