import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

const MODULE = new URL('../../../src/config/config-file.ts', import.meta.url).href;

/** In a process of its own: vitest imports in a way of its own, and Node's is what counts. */
function readConfigFile(named: string | undefined, folder: string): unknown {
  const args = [named === undefined ? 'undefined' : JSON.stringify(named), JSON.stringify(folder)];
  const source = `import { readConfigFile } from '${MODULE}';
    console.log(JSON.stringify(await readConfigFile(${args.join(', ')})));`;
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  });
  return JSON.parse(told);
}

/** Reads a file of that name and text. */
function read(text: string, name = 'pool.config.ts') {
  using folder = new TemporaryFolder();
  const path = join(folder.path, name);
  writeFileSync(path, text);
  const result = readConfigFile(undefined, folder.path);
  return { path, result };
}

describe('the configuration file', () => {
  it.each(['ts', 'mts', 'js', 'mjs'])('pool.config.%s is found where one stands', (ending) => {
    const { path, result } = read('export default { holdMs: 5 };\n', `pool.config.${ending}`);
    expect(result).toEqual({ file: { path, values: { holdMs: 5 } } });
  });

  it('is looked for in the order that the documentation gives', () => {
    using folder = new TemporaryFolder();
    for (const [index, ending] of ['mjs', 'js', 'mts', 'ts'].entries()) {
      writeFileSync(
        join(folder.path, `pool.config.${ending}`),
        `export default { holdMs: ${index} }`,
      );
      expect(readConfigFile(undefined, folder.path)).toMatchObject({
        file: { values: { holdMs: index } },
      });
    }
  });

  it('is not needed, but one that was named is', () => {
    using folder = new TemporaryFolder();
    expect(readConfigFile(undefined, folder.path)).toEqual({});
    expect(readConfigFile('other.ts', folder.path)).toMatchObject({
      problem: {
        file: join(folder.path, 'other.ts'),
        message: expect.stringContaining('no such file') as string,
      },
    });
  });

  it.each([
    ["import { x } from './none.ts';\nexport default x;\n", '', 'Cannot find module'],
    ['const a: number = 1;\n\nexport default { a: ;\n', ':3', 'Expression expected'],
    ['enum X { A }\nexport default {};\n', ':1', 'enum is not supported'],
    ["\n\nthrow new Error('no TOKEN');\nexport default {};\n", ':3', 'no TOKEN'],
    ["throw 'words';\nexport default {};\n", '', 'words'],
    ['throw undefined;\nexport default {};\n', '', 'undefined'],
    ['await new Promise(() => {});\nexport default {};\n', '', 'awaits what never comes'],
    ['export const config = {};\n', '', 'no default export'],
    ['const config = {};\n', '', 'no default export'],
    ['', '', 'no default export'],
    ["export default 'shop';\n", '', 'is no object'],
    ['export default [];\n', '', 'is no object'],
    ['export default null;\n', '', 'is no object'],
  ])('%j is told with its place', (text, line, message) => {
    const { path, result } = read(text);
    expect(result).toMatchObject({
      problem: { file: path + line, message: expect.stringContaining(message) as string },
    });
  });

  it('a syntax error of plain JavaScript is told with its line as well', () => {
    const { path, result } = read('\nexport default { a: ;\n', 'pool.config.mjs');
    expect(result).toMatchObject({ problem: { file: `${path}:2` } });
  });
});
