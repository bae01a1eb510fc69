#!/usr/bin/env -S node --disable-warning=DEP0060
import { readFileSync } from 'node:fs';
import { serve } from './serve.ts';

const HELP = `pool: every commit of a Git repository is a URL, built on the first visit.

Usage
  pool serve [flags]     serve the repository you stand in, or those you name
  pool serve --help      its flags, with defaults and examples
  pool --version

Exit codes
  0  ended as asked    1  could not start, or failed    2  the command line is wrong
`;

const [command, ...args] = process.argv.slice(2);

switch (command) {
  case 'serve':
    process.exitCode = await serve(args);
    break;
  case '--version':
  case '-v':
    process.stdout.write(`pool ${version()}\n`);
    break;
  case '--help':
  case '-h':
  case 'help':
    process.stdout.write(HELP);
    break;
  default: {
    const said =
      command === undefined ? 'A command is missing' : `There is no command "${command}"`;
    process.stderr.write(`pool: ${said}. Try "pool serve" or "pool --help".\n`);
    process.exitCode = 2;
  }
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
