import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ConfigFile, Problem } from './config.ts';

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
    // A file without import or export is CommonJS to Node, and exports {} then.
    const none = values === undefined || ('module.exports' in module && isEmpty(values));
    if (none) return { problem: wrong(path, 'it has no default export') };
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      return { problem: wrong(path, 'its default export is no object') };
    }
    return { file: { path, values } };
  } catch (error) {
    return { problem: thrown(path, error) };
  }
}

/** Imports it with `pool/config` leading to this very pool, whether or not one is installed there. */
async function load(path: string): Promise<unknown> {
  // The package's file ends in .js.
  const own = new URL(`config${extname(import.meta.filename)}`, import.meta.url).href;
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'pool/config' ? { url: own, shortCircuit: true } : next(specifier, context),
  });
  try {
    return await import(pathToFileURL(path).href);
  } finally {
    hooks.deregister();
  }
}

function isEmpty(values: unknown): boolean {
  return typeof values === 'object' && values !== null && Object.keys(values).length === 0;
}

function wrong(path: string, what: string): Problem {
  const message = `${what}; write "export default defineConfig({ … })", with defineConfig from 'pool/config'`;
  return { key: '', file: path, message };
}

function thrown(path: string, error: unknown): Problem {
  const { name = 'Error', message = String(error), stack = '' } = error as Partial<Error>;
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
