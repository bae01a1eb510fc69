import { join } from 'node:path';
import { z } from 'zod';

/** Where the pool of a data folder takes commands. */
export function controlSocket(dataDir: string): string {
  return join(dataDir, 'control.sock');
}

/** A preview as commands show it. */
export const Row = z.object({
  repository: z.string(),
  commit: z.string(),
  /** The label of its address, and its URL. */
  address: z.string(),
  url: z.string(),
  subject: z.string(),
  refs: z.array(z.string()),
  phase: z.enum(['cold', 'queued', 'building', 'starting', 'ready', 'failed']),
  /** The phase in words. */
  words: z.string(),
  /** When that began, in ms of the epoch; 0 where it is not known. */
  since: z.number(),
  /** How far a rebuild is, or that it failed, while what is ready serves. */
  rebuild: z.enum(['cold', 'queued', 'building', 'starting', 'failed']).optional(),
  /** Why it failed, or why its rebuild did. */
  failure: z.object({ code: z.string(), message: z.string(), next: z.string() }).optional(),
});
export type Row = z.infer<typeof Row>;

/** Room for any URL with a label in it. */
const Addressed = z.strictObject({ address: z.string().max(2000) });
const DAY_MS = 24 * 60 * 60_000;

/**
 * What the control socket can be asked: `POST /<verb>` with a request as JSON. Each answer is one
 * JSON value a line; only `log` has more than one.
 */
export const VERBS = {
  ls: { request: z.strictObject({}), answer: z.object({ previews: z.array(Row) }) },
  /** Visits, and answers once the preview is ready, failed or stopped, or the time is over. */
  wait: { request: Addressed.extend({ timeoutMs: z.int().min(0).max(DAY_MS) }), answer: Row },
  log: {
    request: Addressed.extend({ follow: z.boolean() }),
    answer: z.object({ text: z.string() }),
  },
  rebuild: { request: Addressed.extend({ pull: z.boolean() }), answer: Row },
  stop: { request: Addressed, answer: Row },
  rm: { request: Addressed, answer: Row },
} as const;
export type Verb = keyof typeof VERBS;
export type Request<V extends Verb> = z.infer<(typeof VERBS)[V]['request']>;
export type Reply<V extends Verb> = z.infer<(typeof VERBS)[V]['answer']>;

/** What stands in the place of an answer, with a status of 300 or more. */
export const Refusal = z.object({ message: z.string(), next: z.string() });
export type Refusal = z.infer<typeof Refusal>;
