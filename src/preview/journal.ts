import { readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { BuildSummary } from '../build/image.ts';
import type { PreviewEvent, PreviewState } from './state.ts';

/** What can be told of a preview afterwards: how it came to each of its phases. */
const Entry = z.discriminatedUnion('what', [
  z.object({ what: z.literal('queued') }),
  z.object({ what: z.literal('building') }),
  z.object({ what: z.literal('starting'), build: BuildSummary }),
  /** Its container was running already when pool started. */
  z.object({ what: z.literal('found') }),
  z.object({ what: z.literal('ready'), startMs: z.number() }),
  /** To be built anew, while it serves. */
  z.object({ what: z.literal('rebuilding') }),
  z.object({
    what: z.literal('failed'),
    code: z.string(),
    message: z.string(),
    /** Only its rebuild did. */
    serving: z.boolean().optional(),
  }),
  z.object({
    what: z.literal('cooled'),
    why: z.enum(['retried', 'rebuilt', 'stopped', 'ended', 'engine-away']),
  }),
]);
export type Entry = z.infer<typeof Entry>;

/** An entry, and when it was made, in ms of the epoch. */
export type Happened = Entry & { at: number };

/** Rows of some 200 bytes: a preview's last dozen attempts, and some 10 MB in all. */
const PREVIEW_LIMIT = 100;
const LIMIT = 50_000;
/** An engine's message may be long; the log has all of it, and a page of twenty is to stay small. */
const MESSAGE_LIMIT = 200;
/** After a failure the file is left alone so long, for opening it costs a visitor a millisecond. */
const REST_MS = 1000;

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED = new Set([11, 26]);

/**
 * WAL keeps the file whole when pool is killed. Nothing waits for the disk: what a power failure
 * takes is history, and what it damages is set aside.
 */
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF;
  CREATE TABLE IF NOT EXISTS happened (
    id INTEGER PRIMARY KEY, preview TEXT NOT NULL, at INTEGER NOT NULL, entry TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS happened_by_preview ON happened (preview, id);
`;

/**
 * What happened to each preview, in an SQLite file that outlives the process. It is history and
 * not truth: whatever becomes of the file costs one warning, and no preview. Never throws.
 */
export class Journal implements Disposable {
  readonly #file: string;
  readonly #onProblem: (error: Error) => void;
  #database: DatabaseSync | undefined;
  #failing = false;
  #restsUntil = 0;

  constructor(file: string, onProblem: (error: Error) => void) {
    this.#file = file;
    this.#onProblem = onProblem;
  }

  /** Adds an entry, and drops what goes beyond the limits. */
  add(preview: string, entry: Entry, at: number): void {
    this.#use((database) => {
      database.exec('BEGIN');
      const insert = 'INSERT INTO happened (preview, at, entry) VALUES (?, ?, ?)';
      const { lastInsertRowid } = database.prepare(insert).run(preview, at, JSON.stringify(entry));
      database.prepare('DELETE FROM happened WHERE id <= ?').run(Number(lastInsertRowid) - LIMIT);
      const surplus = `DELETE FROM happened WHERE preview = ? AND id <=
        (SELECT id FROM happened WHERE preview = ? ORDER BY id DESC LIMIT 1 OFFSET ${PREVIEW_LIMIT})`;
      database.prepare(surplus).run(preview, preview);
      database.exec('COMMIT');
    });
  }

  /** The last `count` entries of a preview, newest first. */
  last(preview: string, count: number): Happened[] {
    const select = 'SELECT at, entry FROM happened WHERE preview = ? ORDER BY id DESC LIMIT ?';
    const rows = this.#use((database) => database.prepare(select).all(preview, count)) ?? [];
    return rows.flatMap(({ at, entry }) => {
      const parsed = Entry.safeParse(parseJson(String(entry)));
      return parsed.success ? [{ ...parsed.data, at: Number(at) }] : [];
    });
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  #use<Result>(work: (database: DatabaseSync) => Result): Result | undefined {
    if (Date.now() < this.#restsUntil) return undefined;
    try {
      const result = this.#tryTo(work);
      this.#failing = false;
      return result;
    } catch (error) {
      this.#close();
      this.#restsUntil = Date.now() + REST_MS;
      if (!this.#failing) this.#onProblem(error as Error);
      this.#failing = true;
      return undefined;
    }
  }

  /** A damaged file is set aside, and a new one begun. */
  #tryTo<Result>(work: (database: DatabaseSync) => Result): Result {
    try {
      return work(this.#open());
    } catch (error) {
      if (!DAMAGED.has(Number((error as { errcode?: number }).errcode) & 0xff)) throw error;
      this.#close();
      const aside = setAside(this.#file);
      this.#onProblem(new Error(`${(error as Error).message}; now ${aside}`, { cause: error }));
      return work(this.#open());
    }
  }

  #open(): DatabaseSync {
    if (this.#database === undefined) {
      this.#database = new DatabaseSync(this.#file);
      this.#database.exec(SCHEMA);
    }
    return this.#database;
  }

  #close(): void {
    try {
      this.#database?.close();
    } catch {
      // What it could not write is lost either way.
    }
    this.#database = undefined;
  }
}

/** What an event that led to a new phase is told as. */
export function toEntry(event: PreviewEvent, state: PreviewState): Entry | undefined {
  switch (event.type) {
    case 'queued':
    case 'building':
    case 'rebuilding':
      return { what: event.type };
    case 'starting':
      return event.found === true ? { what: 'found' } : { what: 'starting', build: event.build };
    case 'ready':
      return state.phase === 'ready' ? { what: 'ready', startMs: state.startMs } : undefined;
    case 'failed': {
      const { code, message } = event.failure;
      const serving = state.phase === 'ready' ? { serving: true } : {};
      return { what: 'failed', code, message: message.slice(0, MESSAGE_LIMIT), ...serving };
    }
    case 'cooled':
      return { what: 'cooled', why: event.why };
    case 'step':
    case 'health':
      return undefined;
  }
}

/** Keeps the newest damaged file for whoever wants to look; returns its name. */
function setAside(file: string): string {
  const folder = dirname(file);
  const prefix = `${basename(file)}.damaged-`;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix)) rmSync(join(folder, name), { force: true });
  }
  const aside = `${file}.damaged-${Date.now()}`;
  renameSync(file, aside);
  for (const part of ['-wal', '-shm']) rmSync(`${file}${part}`, { force: true });
  return aside;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
