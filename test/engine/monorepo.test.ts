import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { fresh, page } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

const below = (folder: string, text: string) =>
  Object.fromEntries(
    Object.entries(page(text, [fresh('true')])).map(([name, file]) => [`${folder}/${name}`, file]),
  );

test('two names of one repository are two previews of a commit, each with an image of its own, and share one copy', async () => {
  using repository = new GitRepository();
  using other = new GitRepository();
  const first = await repository.commit({ ...below('shop', 'Shop'), ...below('docs', 'Docs') });
  const second = await repository.commit(below('docs', 'Docs anew'));
  const apart = await other.commit(page('Apart', [fresh('true')]));
  const url = repository.path;
  await using pool = await TestPool.open([], {
    repositories: [
      { name: 'shop', url, context: 'shop' },
      { name: 'apart', url: other.path },
      { name: 'docs', url, context: 'docs' },
    ],
  });
  const copies = readdirSync(join(pool.dataDir, 'mirrors')).toSorted();
  expect(copies).toEqual(['apart.git', 'shop.git']);

  const ask = async (ref: string) => (await pool.visit(ref)).text;
  expect(await ask(`${first}---shop`)).toContain('Shop');
  expect(await ask(`${first}---docs`)).toContain('Docs');
  expect(await ask(`${second}---docs`)).toContain('Docs anew');
  expect(pool.count('building')).toBe(3);
  expect(await ask(`${second}---shop`)).toContain('Shop');
  expect(await ask(apart)).toContain('Apart');
  expect(pool.count('building'), 'the shop did not change').toBe(4);
  const recipes = await Promise.all(
    ['shop', 'docs'].map(async (name) => (await pool.state(`${second}---${name}`)).state.build),
  );
  expect(recipes[0]?.['recipe']).not.toBe(recipes[1]?.['recipe']);

  const choices = await pool.visit('main');
  expect(choices.status).toBe(300);
  expect(choices.text).toContain('"main---shop"');
  expect(choices.text).toContain('"main---docs"');
  const chooser = await pool.visit(first, { navigation: true });
  expect(chooser.status).toBe(300);
  expect(chooser.text).toContain(`commit ${first.slice(0, 12)} of shop`);
  expect((await pool.visit('main---nowhere')).text).toContain('main---docs');

  const home = await pool.visit('', { navigation: true });
  for (const name of ['shop', 'apart', 'docs']) expect(home.text).toContain(`?repository=${name}`);
  const docs = await pool.visit('', { path: '/?repository=docs', navigation: true });
  expect(docs.text).toContain(`//${second}---docs.`);
});
