import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const Entry = z.looseObject({
  name: z.string(),
  url: z.string(),
  /** What makes it worth trying, for the table. */
  habits: z.string().default(''),
  /** Full ids; or how many, spread evenly over the history of the default branch. */
  commits: z.union([
    z.int().min(1).max(100),
    z.array(z.string().regex(/^[0-9a-f]{40,64}$/)).min(1),
  ]),
  context: z.string().optional(),
  dockerfile: z.string().optional(),
});

/** One repository of a trial. What the schema does not know is handed to pool, which checks it. */
export type TrialEntry = z.infer<typeof Entry>;

/** Reads a list in YAML, or in JSON, which is YAML too. */
export function readList(file: string): TrialEntry[] {
  return z
    .array(Entry)
    .min(1)
    .parse(parse(readFileSync(file, 'utf8')));
}

/** What pool.config.ts would say of the entry; `mirrors` has `<owner>/<name>.git` in place of https. */
export function settingsOf(entry: TrialEntry, mirrors?: string): Record<string, unknown> {
  const settings = Object.entries(entry).filter(([key]) => key !== 'habits' && key !== 'commits');
  const own = mirrors !== undefined && entry.url.startsWith('https://');
  return { ...Object.fromEntries(settings), url: own ? mirrored(entry.url, mirrors) : entry.url };
}

function mirrored(url: string, mirrors: string): string {
  return join(mirrors, `${new URL(url).pathname.replace(/\.git$/, '')}.git`);
}
