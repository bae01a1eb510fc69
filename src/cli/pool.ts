#!/usr/bin/env -S node --disable-warning=DEP0060 --max-semi-space-size=8
import { statSync } from 'node:fs';
import module from 'node:module';
import { isAbsolute, join } from 'node:path';

/** The oldest Node that runs pool; package.json says the same to npm, which only warns. */
const NEEDED = [24, 12] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) {
  // Starts in half the time, and without the memory that reading the sources takes.
  const { HOME = '', XDG_CACHE_HOME = '' } = process.env;
  const given = isAbsolute(XDG_CACHE_HOME);
  if (isOurs(given ? XDG_CACHE_HOME : HOME))
    module.enableCompileCache(given ? join(XDG_CACHE_HOME, 'pool') : join(HOME, '.cache/pool'));
  // An older one would not even read it, and blame its syntax.
  await import('./commands.ts');
} else {
  process.stderr.write(
    `pool: it needs Node ${NEEDED.join('.')} or later, and this is ${process.versions.node}. Take a newer one, then try again.\n`,
  );
  process.exitCode = 1;
}

/** What lies there is run: nobody else may have written it, as under sudo with another's HOME. */
function isOurs(folder: string): boolean {
  try {
    const { uid, mode } = statSync(folder);
    return isAbsolute(folder) && uid === process.getuid?.() && (mode & 0o022) === 0;
  } catch {
    return false;
  }
}
