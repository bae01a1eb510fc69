import { cancelled, PreviewError } from '../errors.ts';

/** Codes of Node's sockets that mean: nobody is there. */
const UNREACHABLE = /^(ECONNREFUSED|ENOENT|EACCES|EPERM|ENOTFOUND|ETIMEDOUT)$/;
/** Codes and words that mean: somebody was there and went away. */
const LOST = /ECONNRESET|EPIPE|socket hang up|aborted|premature close|unexpected EOF/i;
/** What an engine says, older and newer, that has given all its addresses to networks. */
const NO_ADDRESSES = /non-overlapping IPv4 address pool|address pools have been fully subnetted/i;

/**
 * Translates what dockerode throws where a call leaves the process. `doing` ends the sentence
 * "The engine … while": "creating the container". An abort and a `PreviewError` pass unchanged.
 */
export function engineError(error: unknown, doing: string, signal?: AbortSignal): Error {
  if (error instanceof PreviewError) return error;
  if (signal?.aborted) return signal.reason instanceof Error ? signal.reason : cancelled();
  const { code = '', statusCode, message } = toParts(error);
  const options = { cause: error };
  if (UNREACHABLE.test(code)) {
    const next = 'Start it ("docker/engine.sh up", or your own), then visit it again.';
    const why = code === 'EACCES' || code === 'EPERM' ? ' (permission denied)' : '';
    const text = `The Docker engine does not answer${why}; that was while ${doing}.`;
    return new PreviewError('engine-unreachable', text, next, options);
  }
  if (statusCode === undefined && (LOST.test(code) || LOST.test(message))) {
    const next = 'Visit it again once the engine is back; pool starts over by itself.';
    const text = `The Docker engine went away while ${doing}.`;
    return new PreviewError('engine-lost', text, next, options);
  }
  if (/no space left on device/i.test(message)) return diskFull(doing, error);
  if (NO_ADDRESSES.test(message)) {
    const text = `The Docker engine has no addresses left for another network; that was while ${doing}.`;
    const next =
      '"docker network prune" frees those that nobody uses; "default-address-pools" in the engine\'s daemon.json gives it more. Then visit it again.';
    return new PreviewError('engine-refused', text, next, options);
  }
  // What the engine did not say is pool's own fault, and must not be laid at its door.
  if (statusCode === undefined && error instanceof Error) return error;
  const text = `The Docker engine refused while ${doing}: ${message}`;
  const next = 'Read the message; "docker info" and the log of the engine tell more.';
  return new PreviewError('engine-refused', text, next, options);
}

/** The one failure that no retry mends and that hits all commits alike. */
export function diskFull(doing: string, cause: unknown): PreviewError {
  return new PreviewError(
    'disk-full',
    `The engine's disk is full; that was while ${doing}.`,
    'Free some room ("docker system df" shows what takes it), then visit it again.',
    { cause },
  );
}

/** True where the engine says that an object does not exist. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** True where the engine says that somebody else is at it, or was before. */
export function isConflict(error: unknown): boolean {
  return statusOf(error) === 409;
}

/** The engine's HTTP status, also below a translation of it. */
function statusOf(error: unknown): number | undefined {
  const { statusCode } = toParts(error instanceof PreviewError ? error.cause : error);
  return statusCode;
}

function toParts(error: unknown): { code?: string; statusCode?: number; message: string } {
  const parts = (error ?? {}) as Record<string, unknown>;
  const { code, statusCode, json, reason, message } = parts;
  const told = (json as { message?: unknown } | null | undefined)?.message;
  const text = [told, message, reason].find((part) => typeof part === 'string');
  return {
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof statusCode === 'number' ? { statusCode } : {}),
    message: text ?? String(error),
  };
}
