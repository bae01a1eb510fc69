import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseConfig } from '../../../src/config/parse-config.ts';
import { repositoryIn } from '../../../src/config/repository.ts';

const read = (path: string) =>
  readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8').replaceAll(
    /\n\s*(?:\*(?!\/))? ?/g,
    '\n',
  );
const DOCUMENT = read('docs/configuration.md');

/** Each option of a file: a doc comment with its words, default and example, then its key. */
function optionsOf(path: string) {
  const options = read(path).matchAll(
    /\/\*\*\s((?:(?!\*\/)[^@])*?)\n(?:@default (.*?)\n)?@example (.*?) \*\/\n(\w+):/gs,
  );
  return [...options].map(([, words = '', standard, example = '', key = '']) => {
    return { key, words: words.replaceAll('\n', ' '), standard, example };
  });
}

const TOP = optionsOf('src/config/config.ts');
const NESTED = optionsOf('src/config/repository.ts');

/** What configures pool where nothing else is said. */
const LEAST = { repositories: ['/srv/shop'] };
/** What a credential is for. */
const URLS: Record<string, string> = {
  ...Object.fromEntries(['sshKey', 'knownHosts'].map((key) => [key, 'git@git.example.com:x'])),
  ...Object.fromEntries(
    ['tokenFile', 'tokenEnv', 'tokenUser', 'caFile'].map((key) => [key, 'https://x/y']),
  ),
};
const evaluate = (text: string): unknown => runInNewContext(`(${text})`);

type JsonSchema = { properties: Record<string, { items?: JsonSchema }> };

describe('the documentation', () => {
  it('has every option of the schema', () => {
    const parsed = parseConfig({
      ...LEAST,
      publicUrl: 'http://pool.localhost',
      engine: 'unix:///x',
      instance: 'shop',
    });
    const known = Object.keys('config' in parsed ? parsed.config : {});
    expect(TOP.map(({ key }) => key).toSorted()).toEqual(known.toSorted());

    const entry = repositoryIn('/').out;
    const schema = z.toJSONSchema(entry, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    const layer = schema.properties['refs']?.items?.properties ?? {};
    const nested = new Set([...Object.keys(schema.properties), ...Object.keys(layer)]);
    expect(NESTED.map(({ key }) => key).toSorted()).toEqual([...nested].toSorted());
  });

  it.each([...TOP, ...NESTED])('says of $key what the schema says', (option) => {
    const { key, words, standard, example } = option;
    const cells = [`\`${key}\``, words, standard === undefined ? '' : `\`${standard}\``];
    expect(DOCUMENT).toContain(`| ${[...cells, `\`${example}\``].join(' | ')} |`);
  });

  it.each(TOP.filter(({ standard = '' }) => !/[a-z] [a-z]/.test(standard)))(
    'gives the default of $key as it is',
    ({ key, standard = '' }) => {
      const given = parseConfig({ ...LEAST, [key]: evaluate(standard) });
      expect(given).toEqual(parseConfig(LEAST));
    },
  );

  it.each(TOP)('has an example of $key that is taken', ({ key, example }) => {
    expect(parseConfig({ ...LEAST, [key]: evaluate(example) })).toHaveProperty('config');
  });

  it.each(NESTED)('has an example of $key that is taken', ({ key, example }) => {
    const layer = { [key]: evaluate(example) };
    const given = key === 'match' ? { refs: [layer] } : layer;
    const url = URLS[key] ?? '/srv/shop';
    const parsed = parseConfig({ repositories: [{ url, ...given }] });
    expect(parsed).toHaveProperty('config');
  });
});
