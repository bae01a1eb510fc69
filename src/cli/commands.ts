import { readFileSync } from 'node:fs';
import { nearest } from '../nearest.ts';
import { type Command, runCommand } from './command.ts';
import { doctor } from './doctor.ts';
import { logs } from './logs.ts';
import { ls } from './ls.ts';
import { rebuild } from './rebuild.ts';
import { rm } from './rm.ts';
import { serve } from './serve.ts';
import { stop } from './stop.ts';
import { wait } from './wait.ts';

const COMMANDS: readonly Command[] = [serve, ls, wait, logs, rebuild, stop, rm, doctor];

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS.find((one) => one.name === name);

// Whoever has read enough, as "head" does, ends a command; the pool itself goes on.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', () => {
    if (command !== serve) process.exit();
  });
}

if (command !== undefined) {
  process.exitCode = await runCommand(command, args);
} else if (name === '--version' || name === '-v') {
  process.stdout.write(`pool ${version()}\n`);
} else if (name === '--help' || name === '-h' || name === 'help') {
  process.stdout.write(help());
} else {
  const [near] = nearest(name ?? '', COMMANDS, (one) => one.name, 1);
  const said = name === undefined ? 'A command is missing' : `There is no command "${name}"`;
  process.stderr.write(`pool: ${said}. Try "pool ${near?.name ?? 'serve'}" or "pool --help".\n`);
  process.exitCode = 2;
}

function help(): string {
  const usages = COMMANDS.map(({ name: one, words = '' }) =>
    `pool ${one} ${/^<[a-z]+>/.exec(words)?.[0] ?? ''}`.trimEnd(),
  );
  const width = Math.max(...usages.map((usage) => usage.length));
  const lines = COMMANDS.map(({ about }, index) => `  ${usages[index]?.padEnd(width)}  ${about}`);
  return `pool: every commit of a Git repository is a URL, built on the first visit.

Usage
${lines.join('\n')}
  pool <command> --help
  pool --version

An <address> is a label (main, 3f2a91c, main---shop), a host name or a URL.

Exit codes
  0  as asked          1  failed, or something is bad    2  the command line is wrong
  3  timed out         4  no such preview                5  no pool answers
`;
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
