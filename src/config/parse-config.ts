import { dirname } from 'node:path';
import type { z } from 'zod';
import { issueWords } from '../issue-words.ts';
import { type Config, schemaIn } from './config.ts';

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** `repositories[0].url`; a flag as it was written. */
  key: string;
  message: string;
  /** The file that said it; none where a flag did, or nobody. */
  file?: string;
}

/** What a configuration file exports. */
export interface ConfigFile {
  path: string;
  values: object;
}

/** Checks a configuration; flags win over the file. All problems at once. */
export function parseConfig(
  flags: object,
  file?: ConfigFile,
): { config: Config } | { problems: Problem[] } {
  const input = { ...file?.values, ...flags };
  const isFlag = (key: PropertyKey | undefined) => file === undefined || String(key) in flags;
  const folderOf = (key: string) => (isFlag(key) ? standingIn() : dirname(file?.path ?? ''));
  const result = schemaIn(folderOf).safeParse(input);
  if (result.success) return { config: result.data };
  const problems = result.error.issues.map((issue) => ({
    key: spell(issue.path),
    message: wordsOf(issue, input),
    ...(isFlag(issue.path[0]) ? {} : { file: file?.path ?? '' }),
  }));
  return { problems };
}

function wordsOf(issue: z.core.$ZodIssue, input: object): string {
  if (issue.code === 'unrecognized_keys') return issue.message;
  if (issue.code === 'invalid_key') return issueWords(issue);
  return issueWords(issue) + came(input, issue.path);
}

/** Where the user stands: npm moves into pool's own folder before it starts `npm start`. */
export function standingIn(): string {
  const { INIT_CWD, npm_lifecycle_event: script } = process.env;
  return (script === 'start' || script === 'pool' ? INIT_CWD : undefined) ?? process.cwd();
}

function spell(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .slice(1);
}

/** What stood there; never what may be secret: variables, and a password that somebody put into a URL. */
function came(input: object, path: readonly PropertyKey[]): string {
  let value: unknown = input;
  for (const key of path) {
    // A repository that was written as one string has no `url` to show.
    if (typeof value !== 'string')
      value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  }
  // People write the token itself where its file or variable is to be named.
  const secret =
    path.some((key) => /^(env|token.*)$/.test(String(key))) ||
    (path[0] === 'repositories' && typeof value === 'object');
  if (value === undefined || secret) return '';
  // A password may hold what ends it in a URL: all up to the last @ goes.
  return `; came ${(JSON.stringify(value) ?? typeof value).replace(/\/\/.*@/, '//…@')}`;
}
