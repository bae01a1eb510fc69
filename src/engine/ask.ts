import { setTimeout as sleep } from 'node:timers/promises';
import { PreviewError } from '../errors.ts';
import { engineError } from './engine-error.ts';

/** Starting a container on a busy disk takes seconds; an engine that needs longer hangs. */
const ANSWER_LIMIT_MS = 30_000;

/**
 * One call to the engine that ends, whatever becomes of the engine: a call that was cut in the
 * middle never settles by itself. `doing` ends the sentence "… while": "creating the container".
 */
export async function askEngine<Answer>(
  doing: string,
  call: Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  const done = new AbortController();
  const over = AbortSignal.any([done.signal, ...(signal === undefined ? [] : [signal])]);
  const late = sleep(ANSWER_LIMIT_MS, undefined, { signal: over, ref: false });
  try {
    return await Promise.race([
      call,
      late.then(() => {
        throw silent(doing);
      }),
    ]);
  } catch (error) {
    throw engineError(error, doing, signal);
  } finally {
    // Whatever it still becomes, nobody waits for it.
    call.catch(() => {});
    late.catch(() => {});
    done.abort();
  }
}

function silent(doing: string): PreviewError {
  return new PreviewError(
    'engine-unreachable',
    `The Docker engine did not answer within ${ANSWER_LIMIT_MS / 1000} s while ${doing}.`,
    'Look whether it hangs ("docker info"); then visit it again.',
  );
}
