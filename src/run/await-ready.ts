import { setTimeout as sleep } from 'node:timers/promises';
import type { Port } from '../address/label.ts';
import { PreviewError } from '../errors.ts';
import { itSaid, reachedNoHost } from '../telling-line.ts';
import type { Containers, Health, StartedContainer, Vitals } from './containers.ts';
import { untilElsewhere } from './elsewhere.ts';
import type { Endpoint } from './endpoint.ts';
import { type ListeningSocket, whereItListens } from './listening.ts';
import { askHttp, type Declared } from './probe.ts';

/** Between two questions: short beside any start, long beside what a question costs. */
const ASK_EVERY_MS = 25;
/** The engine is asked less often than the application: its answer changes once. */
const LOOK_EVERY_MS = 200;
/** The other published ports are asked too when the likeliest was silent for so long. */
const OTHERS_AFTER_MS = 1000;
/** Some questions more for the likeliest, where another port was first. */
const LAST_WORD_MS = 10 * ASK_EVERY_MS;

/** What is asked of containers while one of them starts. */
export type Watched = Pick<Containers, 'vitals' | 'lastLines' | 'listening'>;

/**
 * Resolves when the application answers over HTTP, to the endpoint whose port did: with any status,
 * or with 200 to 399 to the path that its commit names for that, as Kubernetes has it. Where
 * nothing named a port, and it listens on another than those published, its container is made once
 * more. Throws `exited`, `unhealthy` or `no-answer`; the last lines that it wrote are handed to
 * `lines` first.
 */
export async function awaitReady(
  containers: Watched,
  container: StartedContainer,
  hostname: string,
  lines: (lines: readonly string[]) => void,
  limitMs: number,
  signal: AbortSignal,
  declared: Declared = {},
): Promise<Endpoint> {
  const { endpoint, again } = container;
  const found = await attempt(endpoint, endpoint.guessed === true);
  if (!Array.isArray(found)) return found;
  if (again === undefined) throw unpublished(found);
  lines([
    `pool: It listens on ${found.join(', ')}, so its container is made once more, with that port.`,
  ]);
  return (await attempt(await again(found, signal), false)) as Endpoint;

  /** One container's endpoint, or the ports where it listens instead. */
  async function attempt(at: Endpoint, mayMove: boolean): Promise<Endpoint | Port[]> {
    const done = new AbortController();
    const told = new Map<number, number>();
    const over = AbortSignal.any([signal, AbortSignal.timeout(limitMs), done.signal]);
    try {
      const first = await Promise.race([
        firstAnswer(at, hostname, declared, told, over),
        // What was ready before, under an earlier process, is not judged by its health any more.
        untilEnd(containers, at.containerId, again !== undefined, over),
        untilElsewhere(containers, at, mayMove, lines, over),
      ]);
      signal.throwIfAborted();
      const [[asked, status] = []] = told;
      if (first === undefined && status !== undefined)
        throw unready(asked, status, declared.health, limitMs);
      if (first === undefined)
        throw silent(at, limitMs, await containers.listening(at.containerId));
      return Array.isArray(first) ? first : answering(at, first);
    } catch (error) {
      const written = signal.aborted ? [] : await containers.lastLines(at.containerId);
      if (written.length > 0) lines([LAST_LINES, ...written]);
      throw error;
    } finally {
      done.abort();
    }
  }
}

/** The endpoint, and why its port is another than the likeliest. */
function answering(endpoint: Endpoint, answered: Pick<Endpoint, 'port' | 'protocol'>): Endpoint {
  const { port } = answered;
  if (port === endpoint.port) return { ...endpoint, ...answered };
  const portRule = `${port} answered HTTP, ${endpoint.port} did not (${endpoint.portRule})`;
  return { ...endpoint, ...answered, portRule };
}

/** Sets what the application wrote apart from what its build wrote. */
export const LAST_LINES = '--- the last lines of the application';

/** The port that answered first, and what it speaks; `undefined` once `over` aborts. */
async function firstAnswer(
  { host, port, published, guessed }: Endpoint,
  hostname: string,
  declared: Declared,
  told: Map<number, number>,
  over: AbortSignal,
): Promise<Pick<Endpoint, 'port' | 'protocol'> | undefined> {
  const ask = async (asked: number, afterMs: number) => {
    await pause(afterMs, over);
    while (!over.aborted) {
      const at = { host, port: published[asked] ?? 0 };
      const answer = await askHttp(at, hostname, over, declared);
      if (answer !== undefined && isReady(answer.status, declared))
        return { port: asked as Port, protocol: answer.protocol };
      if (answer !== undefined) told.set(asked, answer.status);
      await pause(ASK_EVERY_MS, over);
    }
    return undefined;
  };
  const others = Object.keys(published)
    .map(Number)
    .filter((other) => other !== port);
  const likeliest = ask(port, 0);
  const first = await Promise.race([
    likeliest,
    // Of a guess all are as likely; one step apart, the same one wins after a restart.
    ...others.map(
      async (other, index) =>
        await ask(other, guessed === true ? (index + 1) * ASK_EVERY_MS : OTHERS_AFTER_MS),
    ),
  ]);
  if (first === undefined || first.port === port || guessed === true) return first;
  // Those that begin to listen together are asked in any order: the likeliest has the last word.
  const late = pause(LAST_WORD_MS, over).then(() => undefined);
  return (await Promise.race([likeliest, late])) ?? first;
}

function isReady(status: number, { health }: Declared): boolean {
  return health === undefined || (status >= 200 && status < 400);
}

/** Throws when the container's process has ended, or is unhealthy; resolves once `over` aborts. */
async function untilEnd(
  containers: Pick<Containers, 'vitals' | 'lastLines'>,
  id: string,
  judged: boolean,
  over: AbortSignal,
): Promise<undefined> {
  while (!over.aborted) {
    await pause(LOOK_EVERY_MS, over);
    if (over.aborted) break;
    const vitals = await containers.vitals(id);
    if (vitals?.running !== true)
      throw exited(vitals, 'before it answered', await containers.lastLines(id));
    if (judged && vitals.health?.status === 'unhealthy') throw unhealthy(vitals.health);
  }
  return undefined;
}

async function pause(ms: number, over: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: over }).catch(() => {});
}

/** What is told of an application that ended, before or after it was ready; `said` are its last lines. */
export function exited(
  vitals: Vitals | undefined,
  when: 'before it answered' | 'after it was ready',
  said: readonly string[],
): PreviewError {
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
      'The application ran out of the memory that a preview may take, and was killed.',
      'Make it need less, or have "limits" raised in pool.config.ts; its last lines are in the log.',
    );
  }
  return new PreviewError(
    'exited',
    `The application exited with code ${vitals.exitCode} ${when}${itSaid(said)}.`,
    `${when === 'before it answered' ? nextStep(vitals.exitCode, said) : MEND} Its last lines are at the end of the log.`,
  );
}

/** How applications say that a service, or a variable, is missing. */
const NO_SERVICE = /ECONNREFUSED|connection refused|could not connect/i;
const NO_VARIABLE =
  /\b(?=\w*_)[A-Z0-9_]{3,}\b.*\b(is )?(not set|not defined|missing|required)\b|\benvironment variables?\b|^\s*KeyError: '[A-Z0-9_]+'/;

const MEND = 'Mend it in a new commit, or retry.';

/** More of a line would make the expressions above slow, and says nothing more. */
const READ = 500;

function nextStep(code: number, said: readonly string[]): string {
  const lines = said.map((line) => line.slice(0, READ));
  if (code === 0) {
    return 'It ended by itself. A Dockerfile without CMD and ENTRYPOINT runs what its base image does: say there what to run, in a new commit.';
  }
  if (reachedNoHost(lines) || lines.some((line) => NO_SERVICE.test(line))) {
    return 'It looks for another service, which pool does not start: give the address of one that runs in "env" of pool.config.ts or .pool.yml, then retry.';
  }
  if (lines.some((line) => NO_VARIABLE.test(line))) {
    return 'It wants a variable: give it in "env" of pool.config.ts or .pool.yml, then retry.';
  }
  return MEND;
}

function unhealthy({ output }: Health): PreviewError {
  return new PreviewError(
    'unhealthy',
    `The image's HEALTHCHECK turned unhealthy before the application answered${output === '' ? '' : `; it said: ${output}`}.`,
    'Mend the application or its check in a new commit, or retry; its last lines are in the log.',
  );
}

function unready(
  port: number | undefined,
  status: number,
  health: string | undefined,
  limitMs: number,
): PreviewError {
  return new PreviewError(
    'no-answer',
    `The application answered ${status} to GET ${health ?? '/'} on port ${port} for ${limitMs / 1000} s, and was to answer 200 to 399.`,
    'Mend it, or "health" in .pool.yml, in a new commit; its last lines are in the log.',
  );
}

function silent(
  { published, portRule }: Endpoint,
  limitMs: number,
  sockets: readonly ListeningSocket[] | undefined,
): PreviewError {
  const asked = OR.format(Object.keys(published));
  const { words, next } = whereItListens(sockets, published);
  return new PreviewError(
    'no-answer',
    `The application runs, but did not answer HTTP on port ${asked} within ${limitMs / 1000} s (${portRule}). ${words}`,
    `${next} Its last lines are in the log.`,
  );
}

const OR = new Intl.ListFormat('en', { type: 'disjunction' });

/** An earlier process left it before it could be made once more: the next visit begins anew. */
function unpublished(ports: readonly Port[]): PreviewError {
  return new PreviewError(
    'cancelled',
    `The application listens on ${ports.join(', ')}, which its container does not publish.`,
    'Visit it again to make the container once more.',
  );
}
