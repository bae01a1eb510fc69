#!/usr/bin/env -S node --disable-warning=DEP0060 --max-semi-space-size=8
import module from 'node:module';
import { join } from 'node:path';

/** The oldest Node that runs pool; package.json says the same to npm, which only warns. */
const NEEDED = [24, 12] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) {
  // Starts in half the time, and without the memory that reading the sources takes. Nobody else writes there.
  const { HOME, XDG_CACHE_HOME = HOME && join(HOME, '.cache') } = process.env;
  if (XDG_CACHE_HOME !== undefined) module.enableCompileCache(join(XDG_CACHE_HOME, 'pool'));
  // An older one would not even read it, and blame its syntax.
  await import('./commands.ts');
} else {
  process.stderr.write(
    `pool: it needs Node ${NEEDED.join('.')} or later, and this is ${process.versions.node}. Take a newer one, then try again.\n`,
  );
  process.exitCode = 1;
}
