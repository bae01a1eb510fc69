import type { Row } from '../desk/verbs.ts';
import { plainLine } from '../plain-text.ts';
import type { FlagValues } from './flags.ts';
import { print } from './command.ts';

/** Says of one preview how it is: on standard error why it failed, for nothing else is wanted there. */
export function report(row: Row, values: FlagValues): number {
  if (values['json'] === true) return print(row);
  const { repository, commit, words, failure, url, subject } = row;
  process.stdout.write(
    `${commit.slice(0, 10)} ${plainLine(subject)} (${repository}): ${plainLine(words)}\n${url}\n`,
  );
  if (failure === undefined) return 0;
  process.stderr.write(`pool: ${plainLine(failure.message)}\n${plainLine(failure.next)}\n`);
  return 0;
}
