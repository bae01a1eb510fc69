import { z } from 'zod';
import { PreviewError } from '../errors.ts';

/** What pool relies on in a line of a build's answer, from either builder. */
export const BuildMessage = z.object({
  id: z.string().optional(),
  stream: z.string().optional(),
  status: z.string().optional(),
  error: z.string().optional(),
  aux: z.unknown().optional(),
});
export type BuildMessage = z.infer<typeof BuildMessage>;

/** What a build did so far. */
export interface BuildProgress {
  /** The step that runs, as the Dockerfile spells it. */
  step: string | undefined;
  /** Steps begun or found in the cache, and how many of them were cached. */
  steps: number;
  cached: number;
}

/** Reads one builder's messages: log lines out, progress kept. */
export interface Trace {
  readonly progress: BuildProgress;
  /** The id of the image, once the builder told it. */
  readonly imageId: string | undefined;
  /** The step that failed, where the builder names it; else it is the one that ran last. */
  readonly failedStep: string | undefined;
  /** The last lines that this step wrote, up to `SAID` of them. */
  readonly said: readonly string[];
  /** Plain lines that this message adds to the log. */
  read(message: BuildMessage): string[];
}

/** Of a step's output so much is kept: a stack's length, since what names the error stands before it. */
export const SAID = 40;

/** The id that both builders hand out in `aux`. */
export const ImageId = z.object({ ID: z.string() });

/** A third above gRPC's own limit of 16 MB, which BuildKit's messages keep, in base64. */
const MESSAGE_LIMIT = 32 * 2 ** 20;

/**
 * Cuts a build's answer, newline-delimited JSON, into messages. Throws `engine-refused` where one
 * cannot be read, and `engine-lost` where the answer ends in the middle of one.
 */
export async function* readMessages(stream: AsyncIterable<Buffer>): AsyncGenerator<BuildMessage> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const [first = '', ...others] = decoder.decode(chunk, { stream: true }).split('\n');
    rest += first;
    if (rest.length > MESSAGE_LIMIT) throw unreadable(new Error('a message over 32 MiB'));
    for (const other of others) {
      if (rest.trim() !== '') yield parse(rest);
      rest = other;
    }
  }
  if (rest.trim() !== '') yield parse(rest, cutShort);
}

function parse(line: string, failed = unreadable): BuildMessage {
  try {
    return BuildMessage.parse(JSON.parse(line));
  } catch (error) {
    throw failed(error);
  }
}

/** What answers is no engine, or one that pool does not know. */
function unreadable(cause: unknown): PreviewError {
  return new PreviewError(
    'engine-refused',
    'What the Docker engine told of the build cannot be read.',
    'Look what answers at its address ("docker version"), then visit it again.',
    { cause },
  );
}

/** The engine, or what stands before it, ended its answer before there was an image. */
export function cutShort(cause?: unknown): PreviewError {
  return new PreviewError(
    'engine-lost',
    "The Docker engine's answer ended before the build did.",
    'Visit it again once the engine is back; pool starts over by itself.',
    { cause },
  );
}
