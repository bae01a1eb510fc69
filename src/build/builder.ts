import type { Readable } from 'node:stream';
import type { Engine } from '../engine/connect.ts';
import { engineError } from '../engine/engine-error.ts';
import { openAuthSession } from './auth-session.ts';
import { cancelled, PreviewError } from '../errors.ts';
import { type Logins, loginsOf } from './credentials.ts';
import { BuildKitTrace } from './buildkit-trace.ts';
import type { Image } from './image.ts';
import { ClassicTrace } from './classic-trace.ts';
import { explainBuild, imageOf } from './explain-build.ts';
import { registryOf } from './registry-name.ts';
import { type BuildProgress, cutShort, readMessages, type Trace } from './trace.ts';

const NO_ACCESS = { hosts: [], logins: () => Promise.resolve(undefined) };

/** What a build is made from. */
export interface BuildRequest {
  context: {
    /** A tar. */
    stream: Readable;
    /** The Dockerfile's path inside the context. */
    dockerfile: string;
    target: string | undefined;
    args: Readonly<Record<string, string>>;
  };
  /** The name under which the image is found again, also by people in `docker images`. */
  tag: string;
  labels: Record<string, string>;
  /** Registries whose logins the build may use, whatever its Dockerfile names. */
  access?: { hosts: readonly string[]; logins: Logins };
  /** Takes no step from the cache; `pull` also asks the registry for newer base images. */
  anew?: { pull: boolean } | undefined;
}

/** Who listens to a build. */
export interface BuildListener {
  lines(lines: readonly string[]): void;
  progress(progress: Readonly<BuildProgress>): void;
}

/**
 * Builds an image. Aborting `signal` ends the step that runs. Throws a
 * `PreviewError`: the commit's fault (`build-failed`, `dockerfile-invalid`, `base-image`), the
 * time limit's (`build-timeout`) or the engine's.
 */
export async function buildImage(
  engine: Engine,
  request: BuildRequest,
  listener: BuildListener,
  limitMs: number,
  signal: AbortSignal,
): Promise<Image> {
  const begun = Date.now();
  const limit = AbortSignal.timeout(limitMs);
  const trace = engine.buildKit ? new BuildKitTrace() : new ClassicTrace();
  try {
    const id = await run(engine, request, trace, listener, AbortSignal.any([signal, limit]));
    const { steps, cached } = trace.progress;
    const [builder, now] = [builderOf(engine), Date.now()];
    return { id, build: { reused: false, builder, ms: now - begun, steps, cached, builtAt: now } };
  } catch (error) {
    if (signal.aborted) throw cancelled();
    if (limit.aborted) throw timedOut(limitMs, trace.progress.step, request.anew !== undefined);
    // A context that could not be read to its end says so through its own error.
    const { errored } = request.context.stream;
    if (errored instanceof PreviewError) throw errored;
    throw engineError(error, 'building the image');
  } finally {
    // Git must not go on filling a pipe that nobody reads.
    request.context.stream.destroy();
  }
}

/** The builder that this engine builds with. */
export function builderOf({ buildKit }: Engine): 'buildkit' | 'classic' {
  return buildKit ? 'buildkit' : 'classic';
}

async function run(
  engine: Engine,
  { context, tag, labels, access = NO_ACCESS, anew }: BuildRequest,
  trace: Trace,
  listener: BuildListener,
  abortSignal: AbortSignal,
): Promise<string> {
  // Pieces of a failed classic build are removed; its finished steps stay in the cache.
  const { dockerfile, target = '', args: buildargs } = context;
  const what = { dockerfile, target, buildargs, t: tag, labels };
  const cache = { nocache: anew !== undefined, pull: anew?.pull ?? false };
  const options = { ...what, ...cache, rm: true, forcerm: true, abortSignal };
  using login = await logIn(engine, access, abortSignal);
  const answer = await startBuild(engine, context.stream, { ...options, ...login.options }, trace);
  for await (const message of readMessages(answer)) {
    if (message.error !== undefined) {
      const step = trace.failedStep ?? trace.progress.step;
      const explained = explainBuild(message.error, step, trace.said);
      throw problemBehind(explained, step, message.error, login.problems) ?? explained;
    }
    const lines = trace.read(message);
    listener.lines(lines);
    listener.progress(trace.progress);
  }
  if (trace.imageId === undefined) throw cutShort();
  return trace.imageId;
}

/** BuildKit asks for a login where it needs one; the classic builder is given them all. */
async function logIn(
  engine: Engine,
  { hosts, logins }: NonNullable<BuildRequest['access']>,
  signal: AbortSignal,
): Promise<Disposable & { options: object; problems: ReadonlyMap<string, Error> }> {
  const problems = new Map<string, Error>();
  const nothing = { problems, [Symbol.dispose]() {} };
  if (!engine.buildKit)
    return { ...nothing, options: { registryconfig: await loginsOf(hosts, logins, problems) } };
  // As a number the version asks for BuildKit without the session that dockerode would open.
  const version = 2;
  if (hosts.length === 0) return { ...nothing, options: { version } };
  const allowed: Logins = async (host) => (hosts.includes(host) ? await logins(host) : undefined);
  const session = await openAuthSession(engine, allowed, signal);
  return Object.assign(session, { options: { version, session: session.id } });
}

/** Why there was no login, where a build failed for want of an image of just that registry. */
function problemBehind(
  { code }: PreviewError,
  step: string | undefined,
  said: string,
  problems: ReadonlyMap<string, Error>,
): Error | undefined {
  if (code !== 'base-image') return undefined;
  const image = imageOf(step);
  const registry = image && registryOf(image);
  return [...problems].find(([host]) => host === registry || said.includes(host))?.[1];
}

/** Hands the context over. The classic builder reports some faults of a Dockerfile as HTTP 400 or 500. */
async function startBuild(
  engine: Engine,
  context: Readable,
  options: Parameters<Engine['docker']['buildImage']>[1],
  trace: Trace,
): Promise<AsyncIterable<Buffer>> {
  const failed = new Promise<never>((_, reject) => context.once('error', reject));
  failed.catch(() => {});
  try {
    const sent = engine.docker.buildImage(context, options);
    return (await Promise.race([sent, failed])) as unknown as AsyncIterable<Buffer>;
  } catch (error) {
    const { statusCode, message } = error as { statusCode?: number; message: string };
    const said = message.replace(/^\(HTTP code [0-9]+\) [^-]* - /, '');
    // Another status, a page or nothing is no builder's word: something else answered.
    const told = (statusCode === 400 || statusCode === 500) && /^\w/.test(said);
    throw told ? explainBuild(said, trace.progress.step) : error;
  }
}

function timedOut(limitMs: number, step: string | undefined, anew: boolean): PreviewError {
  const at = step === undefined ? '' : ` The step "${step.slice(0, 200)}" was running.`;
  return new PreviewError(
    'build-timeout',
    `The build took longer than ${Math.round(limitMs / 1000)} s and was stopped.${at}`,
    anew
      ? 'Make it faster in a new commit. A retry is a rebuild again, with no cached step; "pool stop" gives that up.'
      : 'Make it faster in a new commit; or retry: the steps that were finished are cached.',
  );
}
