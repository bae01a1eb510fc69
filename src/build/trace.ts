import { z } from 'zod';

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
  /** Plain lines that this message adds to the log. */
  read(message: BuildMessage): string[];
}

/** The id that both builders hand out in `aux`. */
export const ImageId = z.object({ ID: z.string() });

/** Cuts a build's answer, newline-delimited JSON, into messages. */
export async function* readMessages(stream: AsyncIterable<Buffer>): AsyncGenerator<BuildMessage> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield BuildMessage.parse(JSON.parse(line));
  }
  if (rest.trim() !== '') yield BuildMessage.parse(JSON.parse(rest));
}
