#!/usr/bin/env -S node --disable-warning=DEP0060 --max-semi-space-size=8
/** The oldest Node that runs pool; package.json says the same to npm, which only warns. */
const NEEDED = [24, 12] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) {
  // An older one would not even read it, and blame its syntax.
  await import('./commands.ts');
} else {
  process.stderr.write(
    `pool: it needs Node ${NEEDED.join('.')} or later, and this is ${process.versions.node}. Take a newer one, then try again.\n`,
  );
  process.exitCode = 1;
}
