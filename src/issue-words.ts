import type { z } from 'zod';

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  record: 'names with values',
  object: 'keys with values',
  array: 'a list',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

/** How zod's own messages begin, of checks that say nothing of their own. */
const ZODS_OWN = /^(Invalid (input|option)|Too (small|big)): /;

/** What was expected, for people who do not know the schema's language. */
export function issueWords(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  if (!ZODS_OWN.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type': {
      const none = issue.message.endsWith(' undefined') ? ', and there is none' : '';
      return `expected ${KINDS[issue.expected] ?? issue.expected}${none}`;
    }
    case 'invalid_value':
      return `expected ${issue.values.map(String).join(' or ')}`;
    case 'too_small':
      if (issue.origin === 'string') return 'expected some text';
      return `expected ${issue.origin === 'array' ? 'a list of ' : ''}${issue.minimum} or more`;
    case 'too_big':
      return `expected at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}
