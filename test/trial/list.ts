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

/** What pool.config.ts would say of the entry. `mirrors` has `<owner>/<name>.git` for machines without a network. */
export function settingsOf({ habits: _, commits: __, ...settings }: TrialEntry, mirrors?: string) {
  if (mirrors === undefined || !settings.url.startsWith('https://')) return settings;
  const path = new URL(settings.url).pathname.replace(/\.git$/, '');
  return { ...settings, url: join(mirrors, `${path}.git`) };
}
