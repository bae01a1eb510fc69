import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Engine } from '../engine/connect.ts';
import { LABEL } from '../engine/labels.ts';

/** An engine that restarts is away for about a second; asking twice a second costs nothing. */
const REDIAL_MS = 500;

const EngineEvent = z.object({ Action: z.string(), Actor: z.object({ ID: z.string() }) });

/** What pool wants to hear of its containers. */
export interface ContainerListener {
  /** A container's process ended, whoever ended it. */
  died(containerId: string): void;
  /** The image's HEALTHCHECK came to another result. */
  checked(containerId: string): void;
  /** It listens from now on: what exists may have changed since anybody looked. */
  listening(): void;
}

/** Listens to the engine until `signal` aborts; dials again for as long as it takes. */
export async function watchContainers(
  engine: Engine,
  instance: string,
  listener: ContainerListener,
  signal: AbortSignal,
): Promise<void> {
  const label = [`${LABEL.instance}=${instance}`];
  const filters = { type: ['container' as const], event: ['die', 'health_status'], label };
  while (!signal.aborted) {
    try {
      const events = await engine.docker.getEvents({ filters, abortSignal: signal });
      listener.listening();
      for await (const line of lines(events as unknown as AsyncIterable<Buffer>)) {
        const event = EngineEvent.parse(JSON.parse(line));
        // "die", or "health_status: unhealthy".
        if (event.Action === 'die') listener.died(event.Actor.ID);
        else listener.checked(event.Actor.ID);
      }
    } catch {
      // The engine is away; whoever needs it meanwhile gets that said.
    }
    await sleep(REDIAL_MS, undefined, { signal }).catch(() => {});
  }
}

async function* lines(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const parts = (rest + chunk.toString('utf8')).split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter((part) => part !== '');
  }
}
