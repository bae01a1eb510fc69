import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bringUpEngine } from './bring-up-engine.ts';

/** Where browsers are, on the systems that people have; `CHROMIUM` names another. */
const BROWSERS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const root = join(import.meta.dirname, '..');
const strict = process.env['CI'] === 'true';

const engine = bringUpEngine();
const browser = process.env['CHROMIUM'] ?? BROWSERS.find((path) => existsSync(path));

const missing = [
  ...(engine !== undefined
    ? []
    : [
        'The tests in test/engine did not run: no Docker engine; "docker/engine.sh up" starts one or says how.',
      ]),
  ...(browser === undefined
    ? ['The tests in a browser did not run: no Chromium; install it, or name it with CHROMIUM.']
    : []),
];
process.exitCode = await vitest();
for (const line of missing) process.stderr.write(`${line}\n`);
if (strict && missing.length > 0) process.exitCode = 1;

async function vitest(): Promise<number> {
  const projects = ['--project', 'unit', ...(engine === undefined ? [] : ['--project', 'engine'])];
  const cli = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [
    cli,
    'run',
    '--config',
    'test/vitest.config.ts',
    ...projects,
    ...process.argv.slice(2),
  ];
  const env = {
    ...process.env,
    ...(engine === undefined ? {} : { DOCKER_HOST: engine }),
    ...(browser === undefined ? {} : { CHROMIUM: browser }),
  };
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = spawn(process.execPath, ['--disable-warning=DEP0060', ...args], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  child.once('close', (code) => resolve(code ?? 1));
  return await promise;
}
