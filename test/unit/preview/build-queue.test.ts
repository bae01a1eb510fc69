import { describe, expect, it } from 'vitest';
import { BuildQueue } from '../../../src/preview/build-queue.ts';
import { NEVER, until } from '../fixtures/until.ts';

/** A queue whose builds end when a test says so. */
function openQueue({ concurrency = 1, waiting = 10 } = {}) {
  const places = new Map<string, number>();
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<string>>();
  const queue = new BuildQueue({ concurrency, waiting }, (id, position) =>
    places.set(id, position),
  );
  return {
    places,
    begun,
    turn: async (id: string, signal: AbortSignal = NEVER, what = id) => {
      const end = Promise.withResolvers<string>();
      ends.set(id, end);
      const build = async () => {
        begun.push(id);
        places.delete(id);
        return await end.promise;
      };
      return await queue.turn(id, what, build, signal);
    },
    end: (id: string) => ends.get(id)?.resolve(`image of ${id}`),
    fail: (id: string) => ends.get(id)?.reject(new Error(`${id} failed`)),
  };
}

describe('builds', () => {
  it('run one after the other, in the order in which they came', async () => {
    const { turn, end, begun } = openQueue();
    const all = ['a', 'b', 'c'].map(async (id) => await turn(id));
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      await until(`${id} begins`, () => begun.length === index + 1);
      expect(begun.at(-1)).toBe(id);
      end(id);
    }
    expect(await Promise.all(all)).toEqual(['image of a', 'image of b', 'image of c']);
  });

  it('run so many at once as one allows', async () => {
    const { turn, end, begun } = openQueue({ concurrency: 2 });
    const all = ['a', 'b', 'c'].map(async (id) => await turn(id));
    await until('two began', () => begun.length === 2);
    end('b');
    await until('the third began', () => begun.length === 3);
    end('a');
    end('c');
    expect(await Promise.all(all)).toHaveLength(3);
  });

  it('of one recipe never run side by side, and the others do', async () => {
    const { turn, end, fail, begun } = openQueue({ concurrency: 3 });
    const first = turn('a', NEVER, 'same');
    const second = turn('b', NEVER, 'same');
    const other = turn('c', NEVER, 'other');
    await until('the other one runs beside', () => begun.length === 2);
    expect(begun).toEqual(['a', 'c']);
    fail('a');
    await expect(first).rejects.toThrow('a failed');
    await until('the second has its turn, though the first failed', () => begun.includes('b'));
    end('b');
    end('c');
    expect(await Promise.all([second, other])).toEqual(['image of b', 'image of c']);
  });

  it('of one recipe that are aborted while they wait for one another never begin', async () => {
    const { turn, end, begun } = openQueue({ concurrency: 2 });
    const controller = new AbortController();
    const first = turn('a', NEVER, 'same');
    const second = turn('b', controller.signal, 'same');
    await until('the first one began', () => begun.length === 1);
    controller.abort();
    await expect(second).rejects.toThrow(/abort/i);
    const third = turn('c', NEVER, 'same');
    end('a');
    await first;
    await until('the third has its turn', () => begun.includes('c'));
    expect(begun).toEqual(['a', 'c']);
    end('c');
    await third;
  });

  it('that fail let the next one begin', async () => {
    const { turn, end, fail, begun } = openQueue();
    const one = turn('a');
    const two = turn('b');
    fail('a');
    await expect(one).rejects.toThrow('a failed');
    await until('the next one begins', () => begun.includes('b'));
    end('b');
    expect(await two).toBe('image of b');
  });
});

describe('a place in the queue', () => {
  it('is told to all who wait, and again when it changes', async () => {
    const { turn, end, places, begun } = openQueue();
    const all = ['a', 'b', 'c', 'd'].map(async (id) => await turn(id));
    await until('the first one began', () => begun.length === 1);
    expect(Object.fromEntries(places)).toEqual({ b: 1, c: 2, d: 3 });
    end('a');
    await until('the second one began', () => begun.length === 2);
    expect(Object.fromEntries(places)).toEqual({ c: 1, d: 2 });
    for (const id of ['b', 'c', 'd']) end(id);
    await Promise.all(all);
  });

  it('is free again when its build is aborted, and nobody hears of that one again', async () => {
    const { turn, end, places, begun } = openQueue();
    const controller = new AbortController();
    const first = turn('a');
    const second = turn('b', controller.signal);
    const third = turn('c');
    await until('the first one began', () => begun.length === 1);
    controller.abort();
    await expect(second).rejects.toThrow(/abort/i);
    places.delete('b');
    expect(places.get('c')).toBe(1);
    const fourth = turn('d');
    expect(Object.fromEntries(places)).toEqual({ c: 1, d: 2 });
    end('a');
    await first;
    await until('the third one began', () => begun.length === 2);
    expect(begun).toEqual(['a', 'c']);
    expect(places.has('b')).toBe(false);
    end('c');
    end('d');
    await Promise.all([third, fourth]);
  });

  it('is not to be had beyond the limit', async () => {
    const { turn, end } = openQueue({ waiting: 2 });
    const all = ['a', 'b', 'c'].map(async (id) => await turn(id));
    await expect(turn('d')).rejects.toMatchObject({
      code: 'queue-full',
      message: 'The queue is full: 2 builds wait already.',
    });
    for (const id of ['a', 'b', 'c']) end(id);
    await Promise.all(all);
  });

  it('is to be had again when one aborted leaves the line', async () => {
    const { turn, end } = openQueue({ waiting: 1 });
    const controller = new AbortController();
    const first = turn('a');
    const second = turn('b', controller.signal);
    controller.abort();
    await expect(second).rejects.toThrow(/abort/i);
    const third = turn('c');
    end('a');
    end('c');
    await Promise.all([first, third]);
  });

  it('is never had by a build that was aborted before', async () => {
    const { turn, begun } = openQueue();
    await expect(turn('a', AbortSignal.abort())).rejects.toThrow(/abort/i);
    expect(begun).toEqual([]);
  });
});
