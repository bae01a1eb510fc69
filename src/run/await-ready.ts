import { setTimeout as sleep } from 'node:timers/promises';
import type { Port } from '../address/label.ts';
import { PreviewError } from '../errors.ts';
import type { Containers, Vitals } from './containers.ts';
import type { Endpoint } from './endpoint.ts';
import { askHttp } from './probe.ts';

/** Between two questions: short beside any start, long beside what a question costs. */
const ASK_EVERY_MS = 25;
/** The engine is asked less often than the application: its answer changes once. */
const LOOK_EVERY_MS = 200;
/** The other published ports are asked too when the likeliest was silent for so long. */
const OTHERS_AFTER_MS = 1000;

/**
 * Resolves when the application answers over HTTP, to the endpoint whose port did: with any status,
 * or with 200 to 399 to the path that its commit names for that, as Kubernetes has it. Throws `exited` or `no-answer`; the last lines that it wrote are handed to `lines` first.
 */
export async function awaitReady(
  containers: Pick<Containers, 'vitals' | 'lastLines'>,
  endpoint: Endpoint,
  hostname: string,
  lines: (lines: readonly string[]) => void,
  limitMs: number,
  signal: AbortSignal,
  health?: string,
): Promise<Endpoint> {
  const done = new AbortController();
  const told = new Map<number, number>();
  const over = AbortSignal.any([signal, AbortSignal.timeout(limitMs), done.signal]);
  try {
    const port = await Promise.race([
      firstAnswer(endpoint, hostname, health, told, over),
      untilExit(containers, endpoint.containerId, over),
    ]);
    signal.throwIfAborted();
    if (port === undefined) throw silent(endpoint, health, told, limitMs);
    if (port === endpoint.port) return endpoint;
    const portRule = `${port} answered HTTP, ${endpoint.port} did not (${endpoint.portRule})`;
    return { ...endpoint, port, portRule };
  } catch (error) {
    const written = signal.aborted ? [] : await containers.lastLines(endpoint.containerId);
    if (written.length > 0) lines([LAST_LINES, ...written]);
    throw error;
  } finally {
    done.abort();
  }
}

/** Sets what the application wrote apart from what its build wrote. */
export const LAST_LINES = '--- the last lines of the application';

/** The port that answered first; `undefined` once `over` aborts. */
async function firstAnswer(
  { port, published }: Endpoint,
  hostname: string,
  health: string | undefined,
  told: Map<number, number>,
  over: AbortSignal,
): Promise<Port | undefined> {
  const ask = async (asked: number, afterMs: number) => {
    await pause(afterMs, over);
    while (!over.aborted) {
      const status = await askHttp(published[asked] ?? 0, hostname, over, health);
      if (status !== undefined && isReady(status, health)) return asked as Port;
      if (status !== undefined) told.set(asked, status);
      await pause(ASK_EVERY_MS, over);
    }
    return undefined;
  };
  const others = Object.keys(published)
    .map(Number)
    .filter((other) => other !== port);
  return await Promise.race([
    ask(port, 0),
    ...others.map(async (other) => await ask(other, OTHERS_AFTER_MS)),
  ]);
}

function isReady(status: number, health: string | undefined): boolean {
  return health === undefined || (status >= 200 && status < 400);
}

/** Throws when the container's process has ended; resolves once `over` aborts. */
async function untilExit(
  containers: Pick<Containers, 'vitals'>,
  id: string,
  over: AbortSignal,
): Promise<undefined> {
  while (!over.aborted) {
    await pause(LOOK_EVERY_MS, over);
    if (over.aborted) break;
    const vitals = await containers.vitals(id);
    if (vitals?.running !== true) throw exited(vitals, 'before it answered');
  }
  return undefined;
}

async function pause(ms: number, over: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: over }).catch(() => {});
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

function silent(
  endpoint: Endpoint,
  health: string | undefined,
  told: ReadonlyMap<number, number>,
  limitMs: number,
): PreviewError {
  const [[port, status] = []] = told;
  if (status !== undefined) {
    return new PreviewError(
      'no-answer',
      `The application answered ${status} to GET ${health ?? '/'} on port ${port} for ${limitMs / 1000} s, and was to answer 200 to 399.`,
      'Mend it, or "health" in .pool.yml, in a new commit; its last lines are in the log.',
    );
  }
  return new PreviewError(
    'no-answer',
    `The application runs, but did not answer HTTP on port ${Object.keys(endpoint.published).join(' or ')} within ${limitMs / 1000} s (${endpoint.portRule}).`,
    'Let it listen on 0.0.0.0 and on that port, or name the right one with EXPOSE; its last lines are in the log.',
  );
}
