import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, vi } from 'vitest';
import { type Entry, Journal, toEntry } from '../../../src/preview/journal.ts';
import { BUILT, FAILURE, ID, STATES } from '../fixtures/fake-control.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

const READY: Entry = { what: 'ready', startMs: 240 };

function openJournal() {
  const folder = new TemporaryFolder();
  const file = join(folder.path, 'history.sqlite');
  const problems: string[] = [];
  const open = () => new Journal(file, ({ message }) => problems.push(message));
  return {
    folder: folder.path,
    file,
    problems,
    open,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

/** What is in the folder beside the file in use. */
const damagedIn = (folder: string) =>
  readdirSync(folder).filter((name) => name.startsWith('history.sqlite.damaged-'));

describe('what happened', () => {
  it('is told newest first, each preview its own, and after a restart too', () => {
    using fixture = openJournal();
    {
      using journal = fixture.open();
      journal.add('shop/a', { what: 'queued' }, 1);
      journal.add('shop/b', { what: 'found' }, 2);
      journal.add('shop/a', { what: 'starting', build: BUILT }, 3);
    }
    using journal = fixture.open();
    expect(journal.last('shop/a', 20)).toEqual([
      { what: 'starting', build: BUILT, at: 3 },
      { what: 'queued', at: 1 },
    ]);
    expect(journal.last('shop/a', 1)).toHaveLength(1);
    expect(journal.last('shop/c', 20)).toEqual([]);
    expect(fixture.problems).toEqual([]);
  });

  it('is known at once after a process that was killed, for nothing is kept back', () => {
    using fixture = openJournal();
    using killed = fixture.open();
    killed.add(ID, READY, 1);
    using journal = fixture.open();
    expect(journal.last(ID, 20)).toEqual([{ ...READY, at: 1 }]);
  });

  it('is kept to a hundred entries of a preview', () => {
    using fixture = openJournal();
    using journal = fixture.open();
    for (let at = 1; at <= 130; at++) journal.add(ID, READY, at);
    journal.add('shop/b', READY, 1);
    const kept = journal.last(ID, 1000);
    expect([kept.length, kept[0]?.at, kept.at(-1)?.at]).toEqual([100, 130, 31]);
    expect(journal.last('shop/b', 20)).toHaveLength(1);
  });

  it('is kept to fifty thousand entries in all', () => {
    using fixture = openJournal();
    using journal = fixture.open();
    journal.add('shop/old', READY, 1);
    using database = new DatabaseSync(fixture.file);
    database.exec("INSERT INTO happened VALUES (50000, 'shop/b', 1, '{}')");
    journal.add(ID, READY, 2);
    expect(journal.last('shop/old', 20)).toEqual([]);
    expect(journal.last(ID, 20)).toHaveLength(1);
  });

  it('is told without the entries that a later version wrote', () => {
    using fixture = openJournal();
    using journal = fixture.open();
    journal.add(ID, READY, 1);
    using database = new DatabaseSync(fixture.file);
    database.exec(
      `INSERT INTO happened (preview, at, entry) VALUES ('${ID}', 2, '{"what":"slept"}')`,
    );
    database.exec(`INSERT INTO happened (preview, at, entry) VALUES ('${ID}', 3, 'no JSON')`);
    expect(journal.last(ID, 20)).toEqual([{ ...READY, at: 1 }]);
  });
});

describe('a file that fails costs one warning and no preview', () => {
  it('damaged before the start: it is set aside, the newest such only, and a new one begun', () => {
    using fixture = openJournal();
    writeFileSync(`${fixture.file}.damaged-1`, 'older');
    writeFileSync(fixture.file, 'this is no database, and never was one\n'.repeat(100));
    using journal = fixture.open();
    journal.add(ID, READY, 1);
    expect(journal.last(ID, 20)).toHaveLength(1);
    expect(fixture.problems).toEqual([expect.stringMatching(/not a database; now .*damaged-/)]);
    const [aside, ...others] = damagedIn(fixture.folder);
    expect(others).toEqual([]);
    expect(readFileSync(join(fixture.folder, aside ?? ''), 'utf8')).toContain('never was one');
  });

  it('damaged in the middle: found when it is read, and begun anew', () => {
    using fixture = openJournal();
    {
      using journal = fixture.open();
      for (let at = 1; at <= 100; at++)
        journal.add(ID, { ...FAILED, message: 'x'.repeat(400) }, at);
    }
    const bytes = readFileSync(fixture.file);
    writeFileSync(fixture.file, bytes.fill(0xa5, 4096));
    using journal = fixture.open();
    expect(journal.last(ID, 20)).toEqual([]);
    journal.add(ID, READY, 1);
    expect(journal.last(ID, 20)).toEqual([{ ...READY, at: 1 }]);
    expect(fixture.problems).toHaveLength(1);
    expect(damagedIn(fixture.folder)).toHaveLength(1);
  });

  it('cut off, empty or missing: a new one is begun', () => {
    using fixture = openJournal();
    for (const harm of [
      () => truncateSync(fixture.file, 5000),
      () => truncateSync(fixture.file, 0),
      () => rmSync(fixture.file),
    ]) {
      {
        using journal = fixture.open();
        journal.add(ID, READY, 1);
      }
      harm();
      using journal = fixture.open();
      journal.add(ID, READY, 2);
      expect(journal.last(ID, 20)).toEqual([{ ...READY, at: 2 }]);
    }
  });

  it('locked by somebody else: said once, waited for by nobody, and gone on when it is free', () => {
    vi.useFakeTimers();
    using fixture = openJournal();
    using journal = fixture.open();
    journal.add(ID, READY, 1);
    using other = new DatabaseSync(fixture.file);
    other.exec('BEGIN IMMEDIATE');
    journal.add(ID, READY, 2);
    vi.advanceTimersByTime(2000);
    journal.add(ID, READY, 3);
    expect(fixture.problems).toEqual(['database is locked']);
    other.exec('ROLLBACK');
    vi.advanceTimersByTime(2000);
    journal.add(ID, READY, 4);
    expect(journal.last(ID, 20).map(({ at }) => at)).toEqual([4, 1]);
    vi.useRealTimers();
  });

  it('in a place where none can be: said once', () => {
    vi.useFakeTimers();
    using fixture = openJournal();
    mkdirSync(fixture.file);
    using journal = fixture.open();
    journal.add(ID, READY, 1);
    vi.advanceTimersByTime(2000);
    journal.add(ID, READY, 2);
    expect(journal.last(ID, 20)).toEqual([]);
    expect(fixture.problems).toEqual(['unable to open database file']);
    vi.useRealTimers();
  });
});

const FAILED = { what: 'failed', code: 'build-failed', message: FAILURE.message } as const;

it('each way into a phase has its entry, and a step of a build has none', () => {
  const { failed, ready, starting, cold, building } = STATES;
  expect(toEntry({ type: 'queued', position: 3 }, STATES.queued)).toEqual({ what: 'queued' });
  expect(toEntry({ type: 'building' }, building)).toEqual({ what: 'building' });
  expect(toEntry({ type: 'step', step: undefined, steps: 1, cached: 0 }, building)).toBeUndefined();
  expect(toEntry({ type: 'starting', build: BUILT }, starting)).toEqual({
    what: 'starting',
    build: BUILT,
  });
  expect(toEntry({ type: 'starting', build: BUILT, found: true }, starting)).toEqual({
    what: 'found',
  });
  expect(toEntry({ type: 'ready', endpoint: ready.endpoint }, ready)).toEqual(READY);
  expect(
    toEntry({ type: 'failed', failure: { ...FAILURE, message: 'x'.repeat(9999) } }, failed),
  ).toEqual({
    ...FAILED,
    message: 'x'.repeat(200),
  });
  expect(toEntry({ type: 'cooled', why: 'stopped' }, cold)).toEqual({
    what: 'cooled',
    why: 'stopped',
  });
});
