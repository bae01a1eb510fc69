import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ConfigFile, Problem } from './parse-config.ts';

const NAMES = ['ts', 'mts', 'js', 'mjs'].map((ending) => `pool.config.${ending}`);

/**
 * Reads the configuration file: `named`, else the one in `folder`, else none. Node runs it as it
 * is; what it throws is told as a problem with its place.
 */
export async function readConfigFile(
  named: string | undefined,
  folder: string,
): Promise<{ file?: ConfigFile } | { problem: Problem }> {
  const name = named ?? NAMES.find((one) => existsSync(join(folder, one)));
  if (name === undefined) return {};
  const path = resolve(folder, name);
  if (!existsSync(path)) {
    const message = 'there is no such file; name another, or leave --config out';
    return { problem: { key: '', file: path, message } };
  }
  try {
    const module = (await load(realpathSync(path))) as { default?: unknown };
    const values = module.default;
    if (values === undefined) return { problem: wrong(path, 'it has no default export') };
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      return { problem: wrong(path, 'its default export is no object') };
    }
    return { file: { path, values } };
  } catch (error) {
    return { problem: thrown(path, error) };
  }
}

/**
 * Imports it with `pool/config` leading to this very pool, whether or not one is installed there,
 * and as a module, whatever the package.json around it says of other files.
 */
async function load(path: string): Promise<unknown> {
  // The package's file ends in .js.
  const own = new URL(`config${extname(import.meta.filename)}`, import.meta.url).href;
  const url = pathToFileURL(path).href;
  const format = path.endsWith('ts') ? 'module-typescript' : 'module';
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'pool/config') return { url: own, shortCircuit: true };
      const found = next(specifier, context);
      return found.url === url ? { ...found, format } : found;
    },
  });
  const stuck = Promise.withResolvers<never>();
  // Nothing is left to happen, and it waits: Node would end without a word.
  const end = () => stuck.reject(new Error('it awaits what never comes'));
  process.once('beforeExit', end);
  try {
    return await Promise.race([import(url), stuck.promise]);
  } finally {
    process.off('beforeExit', end);
    hooks.deregister();
  }
}

function wrong(path: string, what: string): Problem {
  const message = `${what}; write "export default defineConfig({ … })", with defineConfig from 'pool/config'`;
  return { key: '', file: path, message };
}

function thrown(path: string, error: unknown): Problem {
  const told: Partial<Error> = error instanceof Error ? error : {};
  const { name = 'Error', message = String(error), stack = '' } = told;
  const line =
    lineIn(path, stack) ?? (error instanceof SyntaxError ? lineIn(path, check(path)) : undefined);
  const said = message.split('\n')[0] ?? '';
  return {
    key: '',
    file: line === undefined ? path : `${path}:${line}`,
    message: `${name}: ${said}; mend that line, then try again`,
  };
}

function lineIn(path: string, text: string): string | undefined {
  const at = text.split(realpathSync(path)).find((part, index) => index > 0 && /^:\d/.test(part));
  return at?.match(/^:(\d+)/)?.[1];
}

/** Node tells the line of a syntax error on standard error only, and not to who imports. */
function check(path: string): string {
  try {
    execFileSync(process.execPath, ['--check', path], { encoding: 'utf8', stdio: 'pipe' });
    return '';
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr);
  }
}
