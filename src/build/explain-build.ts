import { diskFull } from '../engine/engine-error.ts';
import { type ErrorCode, PreviewError } from '../errors.ts';
import { registryOf } from './registry-name.ts';
import { plainLine } from '../plain-text.ts';
import { foundNoRoom, itSaid, reachedNoHost } from '../telling-line.ts';

/** How builders say that a Dockerfile is not one. What stands between is bounded: a path may repeat a word. */
const UNPARSED =
  /parse error|unknown instruction|syntax error|file with no instructions|no build stage|Dockerfile.{0,100} cannot be empty|unknown flag|requires (exactly|at least)/i;

/** How engines say that an image is not there, or that its registry cannot be reached. */
const BASE_IMAGE =
  /pull access denied|manifest (for|unknown)|failed to resolve|failed to do request|repository does not exist|dial tcp|no such host|i\/o timeout|TLS handshake|toomanyrequests|unauthorized/i;

/** How they say that a registry shows an image only to those whom it knows. */
const LOGIN =
  /no basic auth credentials|no active sessions|unauthorized|authentication required|access denied|403 Forbidden|insufficient_scope/i;

/** The step of either builder that looks for an image. */
const LOOKS_FOR = /^(?:FROM (?:--\S+ )*|COPY .*--from=|\[internal\] load metadata for )(\S+)/i;

/** The step of either builder that fetches what ADD names by a URL, which BuildKit shows alone. */
const ADDS = /^(?:ADD (?:--\S+ )*)?((?:https?|git|ssh):\/\/[^\s#]+|git@[^\s#]+)/i;

/**
 * Turns the sentence with which a builder ended into one for people. Messages differ between the
 * classic builder and BuildKit, and between engines; what matches nothing is passed on as it is.
 * `step` is the step that ran last, `output` what it wrote.
 */
export function explainBuild(
  message: string,
  step: string | undefined,
  output: readonly string[] = [],
): PreviewError {
  const said = plainLine(message.trim().split('\n').at(-1) ?? '') || 'no reason was given';
  const cause = new Error(said);
  const what = shorten(stripPrefix(said));
  const told = (code: ErrorCode, words: string, next: string) =>
    new PreviewError(code, words, next, { cause });
  if (/no space left on device/i.test(message)) return diskFull('building', cause);

  if (/context canceled|code = Unavailable|transport is closing/i.test(said)) {
    return told(
      'engine-lost',
      'The Docker engine ended the build before it was done.',
      'Visit it again once the engine is back; pool starts over by itself.',
    );
  }
  const exit = /(?:exit code: |returned a non-zero code: )([0-9]+)/.exec(message);
  if (exit !== null) {
    const killed = exit[1] === '137' ? ' (killed, most likely for want of memory)' : '';
    const at = step === undefined ? 'A step' : `The step "${shorten(step)}"`;
    return told(
      'build-failed',
      `${at} ended with exit code ${exit[1]}${killed}${itSaid(output)}.`,
      whatToDo(output),
    );
  }
  const added = ADDS.exec(step ?? '')?.[1];
  if (added !== undefined && (said.includes(added) || /invalid response status/.test(said))) {
    return told(
      'build-failed',
      `What the Dockerfile ADDs cannot be fetched: ${what}.`,
      'Check its URL, and that builds on this engine reach its host; then retry.',
    );
  }
  const image = imageOf(step);
  if (image !== undefined && LOGIN.test(said)) {
    return told('base-image', `A base image cannot be had: ${what}.`, howToLogIn(said, image));
  }
  if (/no active sessions/i.test(said)) {
    return told(
      'build-failed',
      `The Dockerfile needs a secret or an agent of the builder, which pool cannot give: ${what}.`,
      'Take --mount=type=secret and --mount=type=ssh out in a new commit, and visit that one.',
    );
  }
  if (/frontend gateway\.v0/.test(message)) {
    return told(
      'base-image',
      `The "# syntax=" line of the Dockerfile names an image that cannot be had: ${what}.`,
      'Take that line out, or let the engine reach its registry; then retry.',
    );
  }
  if (UNPARSED.test(message)) {
    return told(
      'dockerfile-invalid',
      `The Dockerfile does not parse: ${what}.`,
      'Mend that line in a new commit, and visit that one.',
    );
  }
  if (/^(COPY|ADD) failed|failed to compute cache key/.test(said)) {
    return told(
      'build-failed',
      `A file that the Dockerfile copies is not in the context: ${what}.`,
      'Look whether the commit has it and .dockerignore lets it in; what another build leaves beside the sources is to be made in a stage of the Dockerfile.',
    );
  }
  if (BASE_IMAGE.test(message)) {
    return told(
      'base-image',
      `A base image cannot be had: ${what}.`,
      'Check its name, and that the engine reaches its registry ("docker pull" on this machine); then retry.',
    );
  }
  return told(
    'build-failed',
    `The build failed: ${what}.`,
    'Read the end of the log, mend it in a new commit, and visit that one.',
  );
}

/** The image that a step looks for, as its Dockerfile spells it. */
export function imageOf(step: string | undefined): string | undefined {
  return LOOKS_FOR.exec(step ?? '')?.[1];
}

/** What to do about a step that failed, by what it wrote. */
function whatToDo(output: readonly string[]): string {
  if (reachedNoHost(output))
    return 'It needs a host that builds on this engine do not reach. See to that, then retry.';
  return foundNoRoom(output)
    ? 'Most likely the engine\'s disk is full: free some room ("docker system df" shows what takes it), then retry.'
    : 'Read the end of the log, mend it in a new commit, and visit that one.';
}

/** What to do where a registry wants to know who asks. */
function howToLogIn(said: string, image: string): string {
  const [, url, host = url] = /:\/\/([^/"]+)\/v2\/|from host (\S+)/.exec(said) ?? [];
  const registry = host ?? (image.includes('$') ? '<its registry>' : registryOf(image));
  return `Check the name of the image. Where it is private, run "docker login ${registry}" as the user that pool runs as, and let builds use that: registries: ['${registry}'] in pool.config.ts. Then retry.`;
}

/** Prefixes that say which part of the builder speaks, not what is wrong; and which resolver was asked. */
function stripPrefix(said: string): string {
  return said
    .replace(/^error: /i, '')
    .replace(
      /^((failed to (solve|build|create LLB definition|build LLB|load cache key|compute cache key|do request)( with frontend [a-z]+\.v0)?:|rpc error: code = \w+ desc =) )+/i,
      '',
    )
    .replace(
      /^failed to walk .{0,4096}\/buildkit-mount[0-9]+(\/.{0,4096}?): lstat .*$/,
      '"$1" not found',
    )
    .replace(/( not found): not found$/, '$1')
    .replace(/(\blookup \S+) on \S+:53:/, '$1:')
    .replace(/\.$/, '');
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
