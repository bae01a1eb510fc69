import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PreviewError } from '../errors.ts';
import { fetchLfs, type LfsPointer, makeRoom } from '../mirror/lfs-fetch.ts';
import type { Repository } from '../mirror/remote-access.ts';
import { transportOf } from '../mirror/remote-url.ts';
import { readBlobs, type Tree, type TreeEntry } from './objects.ts';
import { shown } from './submodules.ts';

/** A file that Git LFS keeps, and where it lies on this machine. */
export interface LfsFile extends LfsPointer {
  path: string;
}

/** The form that git-lfs writes, and no other: with its fixed lines it is between so many bytes long. */
const POINTER =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,14})\n$/;
const SHORTEST = 126;
const LONGEST = 140;

/** The pointers among a context's files, by the id of their blob. */
export async function findPointers(
  gitDir: string,
  entries: readonly TreeEntry[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LfsPointer>> {
  const sized = entries.filter(
    ({ mode, size }) => mode.startsWith('100') && size >= SHORTEST && size <= LONGEST,
  );
  const pointers = new Map<string, LfsPointer>();
  for (const [folder, some] of Map.groupBy(sized, ({ tree }) => tree?.gitDir ?? gitDir)) {
    const objects = [...new Set(some.map(({ object }) => object))];
    let at = 0;
    for await (const { chunks } of readBlobs(folder, objects, signal)) {
      const text = Buffer.concat(await Array.fromAsync(chunks)).toString('latin1');
      const [, id, size] = POINTER.exec(text) ?? [];
      const object = objects[at++] ?? '';
      if (id !== undefined) pointers.set(object, { id, size: Number(size) });
    }
  }
  return pointers;
}

/** What is said of pointers in a context: that the build gets them, or what they point to. */
export function pointerWords(
  entries: readonly TreeEntry[],
  pointers: ReadonlyMap<string, LfsPointer>,
  fetched: boolean,
): string[] {
  const held = entries.filter(({ object }) => pointers.has(object));
  if (held.length === 0) return [];
  const bytes = held.reduce((sum, { object }) => sum + (pointers.get(object)?.size ?? 0), 0);
  const one = held.length === 1;
  const paths = shown(held.map(({ path }) => path));
  if (fetched) {
    return [
      `${held.length} ${one ? 'file comes' : 'files come'} from Git LFS, ${bytes} bytes: ${paths}.`,
    ];
  }
  const are = one ? 'file is a Git LFS pointer' : 'files are Git LFS pointers';
  return [
    `${held.length} ${are}, and the build gets no more than that of ${bytes} bytes: ${paths}; "lfs: true" in pool's configuration of this repository, a restart and a rebuild fetch ${one ? 'it' : 'them'}.`,
  ];
}

/**
 * Sees to it that what the pointers name is on this machine, and says where, by the id of the
 * pointer's blob. Each tree is asked at its own remote. Throws `lfs` or `repository-unreadable`.
 */
export async function fetchLfsFiles(
  top: Tree,
  entries: readonly TreeEntry[],
  pointers: ReadonlyMap<string, LfsPointer>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LfsFile>> {
  const files = new Map<string, LfsFile>();
  const held = entries.filter(({ object }) => pointers.has(object));
  for (const [tree, some] of Map.groupBy(held, (entry) => entry.tree ?? top)) {
    const wanted = new Set(some.map(({ object }) => object));
    const stores = storesOf(tree);
    let missing = await locate(wanted, pointers, stores, files);
    if (missing.length > 0 && transportOf(tree.repository.url) !== 'file') {
      if (await makeRoom(tree.gitDir, missing)) {
        // What was there a moment before is wanted as well.
        for (const object of wanted) files.delete(object);
        missing = await locate(wanted, pointers, stores, files);
      }
      await fetchLfs(tree, missing, signal);
      missing = await locate(wanted, pointers, stores, files);
    }
    const [gone] = missing;
    if (gone !== undefined) throw notThere(gone, tree.repository);
  }
  return files;
}

/** The bytes of a file, which fail unless they are just what the pointer names. */
export async function* readLfsFile({ path, id, size }: LfsFile): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let left = size;
  const file = await open(path).catch((error: unknown) => {
    throw removed(path, error);
  });
  for await (const chunk of file.createReadStream() as AsyncIterable<Buffer>) {
    left -= chunk.length;
    if (left < 0) throw damaged(path);
    hash.update(chunk);
    yield chunk;
  }
  if (left !== 0 || hash.digest('hex') !== id) throw damaged(path);
}

/** Where objects may lie: a repository on this machine has them itself. */
function storesOf({ gitDir, repository }: Tree): string[] {
  const { url } = repository;
  const homes = transportOf(url) === 'file' ? [url, join(url, '.git')] : [gitDir];
  return homes.map((home) => join(home, 'lfs'));
}

/** Adds what is there to `files`; returns what is not. */
async function locate(
  wanted: ReadonlySet<string>,
  pointers: ReadonlyMap<string, LfsPointer>,
  stores: readonly string[],
  files: Map<string, LfsFile>,
): Promise<LfsPointer[]> {
  const missing: LfsPointer[] = [];
  for (const object of wanted) {
    const pointer = pointers.get(object);
    if (pointer === undefined || files.has(object)) continue;
    const { id, size } = pointer;
    let found: string | undefined;
    for (const store of stores) {
      const path = join(store, 'objects', id.slice(0, 2), id.slice(2, 4), id);
      const file = await stat(path).catch(() => undefined);
      if (file?.isFile() === true && file.size === size) found ??= path;
    }
    if (found === undefined) missing.push(pointer);
    else files.set(object, { ...pointer, path: found });
  }
  return missing;
}

function notThere({ id, size }: LfsPointer, { url }: Repository): PreviewError {
  return new PreviewError(
    'lfs',
    `Git LFS of ${url} does not have the object ${id.slice(0, 12)} of ${size} bytes, which this commit names.`,
    'Push it there with "git lfs push --all", and retry.',
  );
}

/** A store that grew too large is emptied, whoever else is about to read there. */
function removed(path: string, cause: unknown): PreviewError {
  return new PreviewError(
    'repository-unreadable',
    `The Git LFS object ${path} was removed while it was wanted.`,
    'Visit it again: it is fetched anew.',
    { cause },
  );
}

function damaged(path: string): PreviewError {
  return new PreviewError(
    'lfs',
    `The Git LFS object ${path} is not what its name says.`,
    'Whoever runs pool removes that file; then retry.',
  );
}
