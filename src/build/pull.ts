import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { askEngine } from '../engine/ask.ts';
import type { Engine } from '../engine/connect.ts';
import { engineError, isMissing } from '../engine/engine-error.ts';
import { cancelled, PreviewError } from '../errors.ts';
import { plainLine } from '../plain-text.ts';
import { buildImage, type BuildListener } from './builder.ts';
import { type Login, loginOr, type Logins } from './credentials.ts';
import { registryOf } from './registry-name.ts';
import { type BuildMessage, readMessages } from './trace.ts';

/** An image that somebody else made, to become one of pool's. */
export interface PullRequest {
  /** Its name in its registry, with a tag. */
  reference: string;
  /** The name that it gets here, and pool's labels. */
  tag: string;
  labels: Record<string, string>;
  logins: Logins;
  /** Whether the engine alone is asked, and no registry. */
  here: boolean;
}

/**
 * Pulls an image, and gives it pool's name and labels; the engine keeps no other name of it than it
 * had. Resolves with its id, or with `undefined` where the registry (or the engine, where that alone
 * is asked) has no such image.
 * Throws `registry` where the registry is away or refuses: nobody asked for a build instead.
 */
export async function pullImage(
  engine: Engine,
  { reference, tag, labels, logins, here }: PullRequest,
  listener: BuildListener,
  limitMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const image = engine.docker.getImage(reference);
  const before = await idOf(engine, reference);
  if (here && before === undefined) return undefined;
  const limit = AbortSignal.timeout(limitMs);
  const problems = new Map<string, Error>();
  try {
    if (!here) {
      const login = await loginOr(problems, registryOf(reference), logins);
      await pull(engine, reference, login, listener, AbortSignal.any([signal, limit]));
    }
  } catch (error) {
    if (signal.aborted) throw cancelled();
    if (limit.aborted) throw refused(reference, `it took longer than ${limitMs / 1000} s`);
    // "There is none" is no word to build on where nobody told the registry who asks.
    const [noLogin] = problems.values();
    const failed = explainPull(error, reference, engine.platform) ?? noLogin;
    if (failed === undefined) return undefined;
    const refusal = failed instanceof PreviewError && failed.code === 'registry';
    throw refusal ? (noLogin ?? failed) : failed;
  }
  try {
    const { Os, Architecture } = await askEngine('looking at the image', image.inspect(), signal);
    if (`${Os}/${Architecture}` !== engine.platform) {
      throw otherPlatform(reference, `it is for ${Os}/${Architecture}`, engine.platform);
    }
    const tar = pack();
    tar.entry({ name: 'Dockerfile' }, `FROM ${reference}\n`);
    tar.finalize();
    const context = {
      stream: Readable.from(tar),
      dockerfile: 'Dockerfile',
      target: undefined,
      args: {},
    };
    const request = { context, tag, labels };
    const silent = { lines() {}, progress() {} };
    return (await buildImage(engine, request, silent, limitMs, signal)).id;
  } finally {
    // What it was called here before is somebody's own.
    const [repo, own] = splitTag(reference);
    const back =
      before === undefined
        ? image.remove()
        : engine.docker.getImage(before).tag({ repo, tag: own });
    await askEngine('giving the name of the image back', back as Promise<unknown>).catch(() => {});
  }
}

async function pull(
  engine: Engine,
  reference: string,
  login: Login | undefined,
  listener: BuildListener,
  abortSignal: AbortSignal,
): Promise<void> {
  const [fromImage, tag] = splitTag(reference);
  const what = { fromImage, tag, platform: engine.platform, abortSignal };
  const answer = await engine.docker.createImage(login ?? {}, what);
  const layers = new Map<string, string>();
  for await (const message of readMessages(answer as AsyncIterable<Buffer>)) {
    // With a status it is the engine's word of the registry, whatever it says of a lost connection.
    if (message.error !== undefined)
      throw Object.assign(new Error(message.error), { statusCode: 500 });
    const line = lineOf(message, layers);
    if (line === undefined) continue;
    listener.lines([line]);
    const done = layers
      .values()
      .filter((status) => /complete|exists/.test(status))
      .toArray().length;
    listener.progress({ step: `${done} of ${layers.size} layers`, steps: 0, cached: 0 });
  }
}

/** A layer's line where it comes to something new; how far it is comes many times a second. */
function lineOf({ id, status }: BuildMessage, layers: Map<string, string>): string | undefined {
  if (status === undefined || (id !== undefined && layers.get(id) === status)) return undefined;
  // The first message has the tag for an id.
  if (id !== undefined && /^[0-9a-f]{12}$/.test(id)) layers.set(id, status);
  return plainLine(id === undefined ? status : `${id}: ${status}`);
}

/** `undefined` where the registry knows of no such image. */
function explainPull(error: unknown, reference: string, platform: string): Error | undefined {
  const failed = engineError(error, `pulling ${reference}`);
  if (failed instanceof PreviewError && failed.code !== 'engine-refused') return failed;
  const said = failed.message.replace(/^The Docker engine refused while pulling \S+: /, '');
  if (/no matching manifest|does not match the specified platform/i.test(said)) {
    return otherPlatform(reference, 'it is for other machines', platform);
  }
  // "Not found, or you may not see it" is no word to build on.
  const hidden = /denied|unauthorized|docker login/i.test(said);
  if (
    !hidden &&
    /manifest unknown|name unknown|not known to registry|manifest for \S+ not found/i.test(said)
  )
    return undefined;
  return refused(reference, said.slice(0, 200).replace(/\.$/, ''));
}

function refused(reference: string, why: string): PreviewError {
  const host = registryOf(reference);
  return new PreviewError(
    'registry',
    `The image ${reference} cannot be pulled: ${why}.`,
    `Look whether "docker pull ${reference}" works as the user that pool runs as ("docker login ${host}" where it asks for a login), then retry. Pool builds only where the registry says that it has no such image.`,
  );
}

function otherPlatform(reference: string, why: string, platform: string): PreviewError {
  return new PreviewError(
    'base-image',
    `The image ${reference} cannot run here: ${why}, and this engine runs ${platform}.`,
    `Push one for ${platform} too, then retry.`,
  );
}

async function idOf({ docker }: Engine, name: string): Promise<string | undefined> {
  try {
    return (await askEngine('looking at the image', docker.getImage(name).inspect())).Id;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function splitTag(reference: string): [repository: string, tag: string] {
  const at = reference.lastIndexOf(':');
  return [reference.slice(0, at), reference.slice(at + 1)];
}
