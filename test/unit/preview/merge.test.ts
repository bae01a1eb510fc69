import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { merge } from '../../../src/preview/merge.ts';

async function* values<Value>(all: readonly Value[], everyMs: number): AsyncGenerator<Value> {
  for (const value of all) {
    await sleep(everyMs);
    yield value;
  }
}

async function* endless(): AsyncGenerator<number> {
  for (let index = 0; ; index++) yield await sleep(1, index);
}

async function* broken(): AsyncGenerator<number> {
  yield await Promise.resolve(1);
  throw new Error('broken');
}

async function collect<Value>(source: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of source) all.push(value);
  return all;
}

it('two sources are told in the order in which they come, and none is lost', async () => {
  const all = await collect(merge(values([1, 2, 3], 4), values(['a', 'b'], 5)));
  expect(all.filter((value) => typeof value === 'number')).toEqual([1, 2, 3]);
  expect(all.filter((value) => typeof value === 'string')).toEqual(['a', 'b']);
  expect(all[0]).toBe(1);
});

it('a source that ends does not end the other', async () => {
  expect(await collect(merge(values([], 0), values(['a', 'b'], 2)))).toEqual(['a', 'b']);
});

it('a source that is quick does not starve the other', async () => {
  let seen = 0;
  for await (const value of merge(endless(), values(['a'], 0))) {
    seen += 1;
    if (value === 'a' || seen > 100) break;
  }
  expect(seen).toBeLessThanOrEqual(100);
});

it('an error of a source is an error of the whole', async () => {
  await expect(collect(merge(broken(), values(['a'], 1)))).rejects.toThrow('broken');
});

it('a source that fails while nobody asks ends no process, and is told of when somebody does', async () => {
  const failing = (async function* () {
    yield 1;
    await Promise.resolve();
    throw new Error('it failed');
  })();
  const silent = (async function* () {
    await new Promise(() => {});
    yield 2;
  })();
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  const merged = merge(failing, silent);
  await merged.next();
  await sleep(20);
  await expect(merged.next()).rejects.toThrow('it failed');
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});
