import { parseArgs } from 'node:util';
import type { Problem } from '../config/parse-config.ts';
import { nearest } from '../nearest.ts';

/** A flag of a command, and what its help says. */
export interface Flag {
  name: string;
  /** One letter that stands for it: `-f`. */
  short?: string;
  /** What stands for its value in the help; a switch has none. */
  value?: string;
  repeatable?: boolean;
  help: string;
}

/** What flags were given: a switch is `true`. */
export type FlagValues = Record<string, string | string[] | boolean>;

/**
 * Reads `--name value` and `--name=value`, and at most `wordLimit` words that are no flags. Unknown
 * flags and surplus words are problems, not errors.
 */
export function readFlags(
  args: readonly string[],
  flags: readonly Flag[],
  wordLimit = 0,
): { values: FlagValues; words: string[]; problems: Problem[] } {
  const options = Object.fromEntries(
    flags.map(({ name, short, value, repeatable = false }) => [
      name,
      {
        type: value === undefined ? 'boolean' : 'string',
        multiple: repeatable,
        ...(short === undefined ? {} : { short }),
      } as const,
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const values: FlagValues = {};
  const words: string[] = [];
  const problems: Problem[] = [];
  let unknown = false;
  for (const token of tokens) {
    // What follows a flag that nobody knows was meant as its value.
    if (token.kind === 'positional' && words.length < wordLimit && !unknown) {
      words.push(token.value);
    } else if (token.kind === 'positional' && !unknown) {
      problems.push({
        key: token.value,
        message: 'is no flag; a value comes right after its flag',
      });
    }
    if (token.kind !== 'option') continue;
    const flag = flags.find(({ name }) => name === token.name);
    unknown = flag === undefined;
    if (flag === undefined) {
      problems.push({ key: token.rawName, message: unknownFlag(token.name, flags) });
    } else if (flag.value === undefined) {
      values[flag.name] = true;
    } else if (token.value === undefined) {
      problems.push({ key: token.rawName, message: `expected ${flag.value} after it` });
    } else if (flag.repeatable) {
      values[flag.name] = [...((values[flag.name] as string[] | undefined) ?? []), token.value];
    } else {
      values[flag.name] = token.value;
    }
  }
  return { values, words, problems };
}

/** Flags as a table for the help. */
export function flagHelp(flags: readonly Flag[]): string {
  const names = flags.map(
    ({ name, short, value }) =>
      `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
  );
  const width = Math.max(...names.map((name) => name.length));
  const indent = `\n${' '.repeat(width + 4)}`;
  return flags
    .map(({ help }, index) => `  ${names[index]?.padEnd(width)}  ${help.replaceAll('\n', indent)}`)
    .join('\n');
}

function unknownFlag(name: string, flags: readonly Flag[]): string {
  const [near] = nearest(name, flags, (flag) => flag.name, 1);
  return `is no flag of this command${near === undefined ? '' : `; did you mean --${near.name}?`}`;
}
