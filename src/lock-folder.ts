import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** SQLITE_BUSY. */
const BUSY = 5;

/**
 * Locks a data folder until it is disposed of or the process ends, however it ends: the kernel
 * holds the lock, also between containers that share the folder, and nothing is written that
 * somebody would have to clean up. Throws where another pool has it.
 */
export function lockFolder(folder: string): Disposable {
  // Says more of what is wrong than SQLite does.
  accessSync(folder, constants.W_OK);
  // Node offers no lock on files; SQLite takes one with the first word of a transaction.
  const database = new DatabaseSync(join(folder, 'lock'), { timeout: 0 });
  try {
    // A journal beside it is a file that a full disk has no room for.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === BUSY) throw takenBy(folder);
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** What is told where two pools would own the same previews. */
export function takenBy(folder: string): Error {
  return new Error(
    `another pool serves from ${folder}; end it, or choose another folder with --data-dir`,
  );
}
