import type { Row } from '../desk/verbs.ts';
import { plainLine } from '../plain-text.ts';
import { print } from './command.ts';
import type { FlagValues } from './flags.ts';
import { cut, terminalWidth } from './table.ts';

/** Says of one preview how it is; why it failed goes to standard error. */
export function report(row: Row, values: FlagValues): number {
  if (values['json'] === true) return print(row);
  const { repository, commit, words, failure, url, subject } = row;
  const title = plainLine(`${commit.slice(0, 10)} ${subject}`);
  process.stdout.write(
    `${cut(title, terminalWidth())}\n${repository}: ${plainLine(words)}\n${url}\n`,
  );
  if (failure === undefined) return 0;
  process.stderr.write(`pool: ${plainLine(failure.message)}\n${plainLine(failure.next)}\n`);
  return 0;
}
