import type { Config } from '../config/config.ts';
import { parseConfig, type Problem, standingIn } from '../config/parse-config.ts';
import { readConfigFile } from '../config/config-file.ts';
import { plainLine } from '../plain-text.ts';
import { type Flag, flagHelp, type FlagValues, readFlags } from './flags.ts';

/** What a command was asked for. */
export interface Asked {
  values: FlagValues;
  words: string[];
}

/** One command of `pool`, and what its help says. */
export interface Command {
  name: string;
  /** What follows the name in the usage line: `<address> [flags]`. */
  words?: string;
  /** What it does, in a line. */
  about: string;
  flags: readonly Flag[];
  /** What the help says after the flags. */
  more?: string;
  /** Returns the exit code. */
  run(asked: Asked): Promise<number>;
}

/** Exit codes, the same for every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2, timeout: 3, unknown: 4, noPool: 5 } as const;

/** Flags that find the running pool, and how it answers. */
export const POOL_FLAGS: readonly Flag[] = [
  { name: 'json', help: 'print data instead of words, errors too' },
  { name: 'data-dir', value: '<folder>', help: "the running pool's data folder" },
  { name: 'config', value: '<file>', help: 'default: pool.config.ts where you stand' },
  { name: 'help', short: 'h', help: 'this text' },
];

/** Flags that say the same as an option of the file. */
const OPTIONS: Record<string, string> = {
  repository: 'repositories',
  domain: 'domains',
  listen: 'listen',
  'data-dir': 'dataDir',
  engine: 'engine',
};

/** A command line that is wrong, with all that is wrong with it. */
export class UsageError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('the command line or the configuration is wrong');
    this.problems = problems;
  }
}

/** What a command could not do, with the next step and the exit code. */
export class CommandError extends Error {
  readonly next: string;
  readonly code: number;

  constructor(message: string, next: string, code: number) {
    super(message);
    this.next = next;
    this.code = code;
  }
}

/** Prints data, for those who asked with `--json`. */
export function print(data: unknown): number {
  process.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
  return EXIT.ok;
}

/** Reads a command's flags, and runs it or prints its help. Returns the exit code. */
export async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const words = command.words?.match(/<[a-z]+>/g) ?? [];
  const read = readFlags(args, command.flags, words.length);
  if (read.values['help'] === true) {
    process.stdout.write(helpOf(command));
    return EXIT.ok;
  }
  const missing = words.slice(read.words.length);
  const problems = [
    ...read.problems,
    ...missing.map((word) => ({ key: word, message: 'is missing' })),
  ];
  try {
    if (problems.length > 0)
      throw new UsageError([...problems, ...(await configProblems(read.values))]);
    return await command.run(read);
  } catch (error) {
    if (error instanceof UsageError) return complain(command, error.problems);
    if (!(error instanceof CommandError)) throw error;
    const { message, next, code } = error;
    const data = read.values['json'] === true;
    process.stderr.write(
      data
        ? `${JSON.stringify({ error: { message, next, exitCode: code } })}\n`
        : `pool: ${plainLine(message)}\n${plainLine(next)}\n`,
    );
    return code;
  }
}

/** The configuration of the file and the flags together; flags win. Throws `UsageError`. */
export async function configOf(values: FlagValues, defaults: object = {}): Promise<Config> {
  const named = values['config'];
  const read = await readConfigFile(typeof named === 'string' ? named : undefined, standingIn());
  if ('problem' in read) throw new UsageError([read.problem]);
  const given = Object.entries(OPTIONS).filter(([flag]) => values[flag] !== undefined);
  const flags = Object.fromEntries(given.map(([flag, option]) => [option, values[flag]]));
  const { file } = read;
  const inFile = file !== undefined && 'repositories' in file.values;
  const parsed = parseConfig({ ...(inFile ? {} : defaults), ...flags }, file);
  if ('problems' in parsed) throw new UsageError(parsed.problems);
  return parsed.config;
}

/** What else is wrong where the command line already is: people mend all of it at once. */
async function configProblems(values: FlagValues): Promise<readonly Problem[]> {
  try {
    await configOf(values, { repositories: ['.'] });
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
}

function helpOf({ name, words, about, flags, more }: Command): string {
  const usage = ['pool', name, words ?? '[flags]'].join(' ');
  const parts = [`pool ${name}: ${about}`, `Usage\n  ${usage}`, `Flags\n${flagHelp(flags)}`, more];
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}

function complain({ name }: Command, problems: readonly Problem[]): number {
  for (const { key, message, file } of problems) {
    const where =
      file === undefined ? flagOf(key) : [file, key].filter((part) => part !== '').join(': ');
    process.stderr.write(`pool: ${where}: ${message}\n`);
  }
  process.stderr.write(`Try "pool ${name} --help".\n`);
  return EXIT.usage;
}

/** An option as its flag is written; what has none stays as it is. */
function flagOf(key: string): string {
  const [flag] =
    Object.entries(OPTIONS).find(([, option]) => key.split(/[.[]/)[0] === option) ?? [];
  return flag === undefined ? key : `--${flag}`;
}
