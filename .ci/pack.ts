// What npm packs: JavaScript and types made of src/, since Node strips no types below node_modules,
// with the style sheet and the scripts of pages beside them.
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const top = join(import.meta.dirname, '..');
const dist = join(top, 'dist');

rmSync(dist, { recursive: true, force: true });
execFileSync('tsc', ['--project', join(import.meta.dirname, 'tsconfig.package.json')], {
  stdio: 'inherit',
});
cpSync(join(top, 'src'), dist, {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || /\.(css|client\.js)$/.test(path),
});
