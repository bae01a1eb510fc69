import { setTimeout as sleep } from 'node:timers/promises';
import { PreviewError } from '../errors.ts';
import type { Containers, Vitals } from './containers.ts';
import type { Endpoint } from './endpoint.ts';
import { askHttp } from './probe.ts';

/** Between two questions: short beside any start, long beside what a question costs. */
const ASK_EVERY_MS = 25;
/** The engine is asked less often than the application: its answer changes once. */
const LOOK_EVERY_MS = 200;

/**
 * Resolves when the application answers over HTTP, with any status. Throws `exited` or `no-answer`,
 * with the last lines that it wrote handed to `lines`.
 */
export async function awaitReady(
  containers: Pick<Containers, 'vitals' | 'lastLines'>,
  endpoint: Endpoint,
  hostname: string,
  lines: (lines: readonly string[]) => void,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const begun = Date.now();
  const hostPort = endpoint.published[endpoint.port] ?? 0;
  const over = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  let looked = begun;
  while (!over.aborted) {
    if ((await askHttp(hostPort, hostname, over)) !== undefined) return;
    if (Date.now() - looked >= LOOK_EVERY_MS) {
      looked = Date.now();
      const vitals = await containers.vitals(endpoint.containerId);
      if (vitals?.running !== true) {
        lines(await containers.lastLines(endpoint.containerId));
        throw exited(vitals, 'before it answered');
      }
    }
    await sleep(ASK_EVERY_MS, undefined, { signal: over }).catch(() => {});
  }
  signal.throwIfAborted();
  lines(await containers.lastLines(endpoint.containerId));
  throw silent(endpoint, limitMs);
}

/** What is told of an application that ended, before or after it was ready. */
export function exited(vitals: Vitals | undefined, when: string): PreviewError {
  if (vitals === undefined) {
    return new PreviewError(
      'exited',
      'The container is gone: somebody removed it.',
      'Retry to start it again.',
    );
  }
  if (vitals.outOfMemory) {
    return new PreviewError(
      'exited',
      'The application ran out of its memory, 1 GiB, and was killed.',
      'Make it need less, or find what leaks; its last lines are in the log.',
    );
  }
  return new PreviewError(
    'exited',
    `The application exited with code ${vitals.exitCode} ${when}.`,
    'Its last lines are at the end of the log. Mend it in a new commit, or retry.',
  );
}

function silent(endpoint: Endpoint, limitMs: number): PreviewError {
  return new PreviewError(
    'no-answer',
    `The application runs, but did not answer HTTP on port ${endpoint.port} within ${limitMs / 1000} s (${endpoint.portRule}).`,
    'Let it listen on 0.0.0.0 and on that port, or name the right one with EXPOSE; its last lines are in the log.',
  );
}
