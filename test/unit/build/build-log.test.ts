import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BuildLog, type LogPiece } from '../../../src/build/build-log.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { NEVER, until } from '../fixtures/until.ts';

function openLog(file?: string) {
  const folder = new TemporaryFolder();
  const path = file ?? join(folder.path, 'shop', 'commit.log');
  const problems: Error[] = [];
  return {
    path,
    folder: folder.path,
    problems,
    log: new BuildLog(path, (error) => problems.push(error)),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

/** Collects what a reader gets, until the log ends or the signal aborts. */
function reader(log: BuildLog, from = 0, signal = NEVER) {
  const pieces: LogPiece[] = [];
  const done = (async () => {
    for await (const piece of log.follow(from, signal)) pieces.push(piece);
  })();
  return { pieces, done, text: () => pieces.map(({ text }) => text).join('') };
}

describe('a reader', () => {
  it('gets what was said and what is said, each with the offset after it', async () => {
    using fixture = openLog();
    const { log } = fixture;
    await log.begin();
    log.write(['one', 'two']);
    const { pieces, done, text } = reader(log);
    await until('the first piece is there', () => pieces.length === 1);
    log.write(['three']);
    await until('the second piece is there', () => pieces.length === 2);
    log.end();
    await done;
    expect(text()).toBe('one\ntwo\nthree\n');
    expect(pieces.map(({ next }) => next)).toEqual([8, 14]);
  });

  it('gets the rest from an offset on', async () => {
    using fixture = openLog();
    await fixture.log.begin();
    fixture.log.write(['one', 'two']);
    fixture.log.end();
    const { done, text } = reader(fixture.log, 4);
    await done;
    expect(text()).toBe('two\n');
    const over = reader(fixture.log, 8);
    await over.done;
    expect(over.text()).toBe('');
  });

  it('gets all of it where his offset is beyond its end', async () => {
    using fixture = openLog();
    await fixture.log.begin();
    fixture.log.write(['one']);
    fixture.log.end();
    const { done, text } = reader(fixture.log, 999);
    await done;
    expect(text()).toBe('one\n');
  });

  it('misses nothing that is said while he looks, however close the end is', async () => {
    for (let ticks = 0; ticks < 20; ticks++) {
      using fixture = openLog();
      const { log } = fixture;
      await log.begin();
      const following = reader(log);
      log.write(['first']);
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      log.write(['last']);
      log.end();
      await following.done;
      expect(following.text(), `after ${ticks} turns`).toBe('first\nlast\n');
    }
  });

  it('who follows across the limit gets what one reads afterwards, and offsets that fit it', async () => {
    using fixture = openLog();
    const { log } = fixture;
    await log.begin();
    const following = reader(log);
    for (let index = 0; index < 120; index++) {
      log.write(Array.from({ length: 1000 }, (_, line) => `${index}.${line} ${'x'.repeat(60)} 🐛`));
      await Promise.resolve();
    }
    await until('the head is read', () => following.text().length > 4 * 2 ** 20 - 100);
    log.end();
    await following.done;
    const whole = await log.read();
    expect(following.text()).toBe(whole);
    let at = 0;
    for (const { text, next } of following.pieces) {
      at += text.length;
      expect(next).toBe(at);
    }
    const late = reader(log, whole.indexOf('…'));
    await late.done;
    expect(late.text()).toBe(whole.slice(whole.indexOf('…')));
  });

  it('ends with his signal', async () => {
    using fixture = openLog();
    await fixture.log.begin();
    const controller = new AbortController();
    const { done } = reader(fixture.log, 0, controller.signal);
    controller.abort();
    expect(await done).toBeUndefined();
  });

  it.each([
    ['shorter', 'new\n'],
    ['longer', `${'new '.repeat(100)}\n`],
  ])('gets a log that began anew from its start, where it is %s by then', async (_, text) => {
    using fixture = openLog();
    const { log } = fixture;
    await log.begin();
    log.write(['the old story', 'of some lines']);
    const following = reader(log);
    await until('the old one is read', () => following.pieces.length === 1);
    log.clear();
    log.write([text.trimEnd()]);
    log.end();
    await following.done;
    expect(
      following.pieces
        .slice(1)
        .map((piece) => piece.text)
        .join('')
        .trim(),
    ).toBe(text.trim());
  });
});

describe('a log', () => {
  it('that begins anew at once has nothing of the old one in its file', async () => {
    using fixture = openLog();
    const logs = Array.from({ length: 200 }, (_, index) => {
      const file = join(fixture.folder, String(index));
      return { file, log: new BuildLog(file, (error) => fixture.problems.push(error)) };
    });
    for (const { log } of logs) await log.begin();
    for (const { log } of logs) {
      log.write(['the old story']);
      log.clear();
      log.write(['new']);
      log.end();
    }
    for (const { file } of logs) {
      const written = async () => await readFile(file, 'utf8').catch(() => '');
      await until('the file has the new one', async () => (await written()).includes('new'));
    }
    await sleep(50);
    const all = await Promise.all(logs.map(async ({ file }) => await readFile(file, 'utf8')));
    expect(new Set(all)).toEqual(new Set(['new\n']));
    expect(fixture.problems).toEqual([]);
  });

  it('is in its file when it ended, and is read from there by the next process', async () => {
    using fixture = openLog();
    await fixture.log.begin();
    fixture.log.write(['one']);
    fixture.log.end();
    await until(
      'it is written',
      async () => (await readFile(fixture.path, 'utf8').catch(() => '')) === 'one\n',
    );
    expect(await new BuildLog(fixture.path, () => {}).read()).toBe('one\n');
  });

  it('goes on after what an earlier attempt left', async () => {
    using fixture = openLog();
    mkdirSync(join(fixture.folder, 'shop'));
    writeFileSync(fixture.path, 'before\n');
    await fixture.log.begin();
    fixture.log.write(['after']);
    fixture.log.end();
    expect(await fixture.log.read()).toBe('before\nafter\n');
    await until(
      'it is written',
      async () => (await readFile(fixture.path, 'utf8')) === 'before\nafter\n',
    );
  });

  it('of a new build drops the old one, in the file as well', async () => {
    using fixture = openLog();
    mkdirSync(join(fixture.folder, 'shop'));
    writeFileSync(fixture.path, 'before\n');
    await fixture.log.begin();
    fixture.log.clear();
    fixture.log.write(['after']);
    fixture.log.end();
    expect(await fixture.log.read()).toBe('after\n');
    await until('it is written', async () => (await readFile(fixture.path, 'utf8')) === 'after\n');
  });

  it('that is not there is empty', async () => {
    using fixture = openLog();
    expect(await fixture.log.read()).toBe('');
    const { done, text } = reader(fixture.log);
    await done;
    expect(text()).toBe('');
  });

  it('stays in order where a short line follows the one that was too long', async () => {
    using fixture = openLog();
    await fixture.log.begin();
    fixture.log.write(['x'.repeat(4 * 2 ** 20 - 100)]);
    fixture.log.write(['y'.repeat(200)]);
    fixture.log.write(['z']);
    fixture.log.end();
    expect((await fixture.log.read()).slice(-203)).toBe(`${'y'.repeat(200)}\nz\n`);
  });

  it('beyond its limit keeps its head and its last lines', async () => {
    using fixture = openLog();
    await fixture.log.begin();
    for (let index = 0; index < 100_000; index++)
      fixture.log.write([`line ${index} ${'x'.repeat(90)}`]);
    fixture.log.end();
    const text = await fixture.log.read();
    expect(text.length).toBeLessThan(4.2 * 2 ** 20);
    expect(text.startsWith('line 0 ')).toBe(true);
    expect(text).toContain('line 99999 ');
    expect(text).toMatch(/… [0-9]+ characters left out …/);
    const left = Number(/… ([0-9]+) characters/.exec(text)?.[1]);
    const written = Array.from(
      { length: 100_000 },
      (_, index) => `line ${index} `.length + 91,
    ).reduce((a, b) => a + b);
    const marker = /… [0-9]+ characters left out …\n/.exec(text)?.[0].length ?? 0;
    expect(text.length - marker + left).toBe(written);
  });

  it.each([
    ['in one piece', 120_000],
    ['a line at a time', 1],
    ['in pieces of seven lines', 7],
  ])('loses whole lines only, written %s', async (_, size) => {
    using fixture = openLog();
    await fixture.log.begin();
    const lines = Array.from(
      { length: 120_000 },
      (__, index) => `line ${index} größe 🐛 ${'x'.repeat(index % 80)}`,
    );
    for (let at = 0; at < lines.length; at += size) fixture.log.write(lines.slice(at, at + size));
    fixture.log.end();
    const text = await fixture.log.read();
    const told = text.trimEnd().split('\n');
    const gaps = told.filter((line) => line.startsWith('…'));
    expect(gaps).toHaveLength(1);
    const at = told.indexOf(gaps[0] ?? '');
    const head = told.slice(0, at);
    const tail = told.slice(at + 1);
    expect(head).toEqual(lines.slice(0, head.length));
    expect(tail).toEqual(lines.slice(-tail.length));
    const lost = lines
      .slice(head.length, -tail.length)
      .reduce((sum, line) => sum + line.length + 1, 0);
    expect(gaps[0]).toBe(`… ${lost} characters left out …`);
    expect(head.join('\n').length).toBeGreaterThan(4 * 2 ** 20 - 200);
    expect(tail.join('\n').length).toBeGreaterThan(64 * 1024 - 200);
    expect(tail.join('\n').length).toBeLessThanOrEqual(64 * 1024);
  });

  it('that cannot be written is told so, and goes on without its file', async () => {
    using folder = new TemporaryFolder();
    writeFileSync(join(folder.path, 'file'), '');
    using fixture = openLog(join(folder.path, 'file', 'below', 'a.log'));
    await fixture.log.begin();
    fixture.log.write(['one']);
    fixture.log.clear();
    fixture.log.write(['two']);
    fixture.log.end();
    expect(await fixture.log.read()).toBe('two\n');
    await until('it is told', () => fixture.problems.length > 0);
  });
});
