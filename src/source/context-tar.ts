import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import { type LfsFile, readLfsFile } from './lfs.ts';
import { readBlobs, type TreeEntry } from './objects.ts';

/**
 * The entries of a context as a tar of raw blobs with fixed modes, in their order; `mtime` is every
 * entry's. Nothing is written to disk. `files` are given instead of the blobs that point to them.
 */
export function streamTar(
  gitDir: string,
  entries: readonly TreeEntry[],
  files: ReadonlyMap<string, LfsFile>,
  mtime: Date,
  signal: AbortSignal,
): Readable {
  const tar = pack();
  const stream = Readable.from(tar, { objectMode: false });
  // Whoever reads may go away with half of the tar: git must not wait for him.
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  writeEntries(tar, gitDir, entries, files, mtime, AbortSignal.any([signal, gone.signal])).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return stream;
}

type Header = Parameters<Pack['entry']>[0];

async function writeEntries(
  tar: Pack,
  gitDir: string,
  entries: readonly TreeEntry[],
  files: ReadonlyMap<string, LfsFile>,
  mtime: Date,
  signal: AbortSignal,
): Promise<void> {
  const inGit = (entry: TreeEntry) => entry.mode !== '040000' && !files.has(entry.object);
  const mirrors = Map.groupBy(entries.filter(inGit), ({ tree }) => tree?.gitDir ?? gitDir);
  const readers = new Map(
    mirrors.entries().map(([folder, wanted]) => {
      const objects = wanted.map(({ object }) => object);
      return [folder, readBlobs(folder, objects, signal)] as const;
    }),
  );
  try {
    for (const entry of entries) {
      const mode = entry.mode === '100755' ? 0o755 : 0o644;
      const header: Header = { name: entry.path, mode, mtime };
      if (entry.mode === '040000') {
        await writeEntry(tar, { ...header, type: 'directory', mode: 0o755 });
        continue;
      }
      const file = files.get(entry.object);
      if (file !== undefined) {
        await writeFile(tar, { ...header, size: file.size }, readLfsFile(file), signal);
        continue;
      }
      const next = await readers.get(entry.tree?.gitDir ?? gitDir)?.next();
      const blob = next?.value;
      if (blob === undefined) throw new Error('git gave fewer blobs than it was asked for');
      if (entry.mode === '120000') {
        const linkname = Buffer.concat(await Array.fromAsync(blob.chunks)).toString('utf8');
        await writeEntry(tar, { ...header, type: 'symlink', linkname, mode: 0o777 });
      } else {
        await writeFile(tar, { ...header, size: blob.size }, blob.chunks, signal);
      }
    }
  } finally {
    for (const reader of readers.values()) await reader.return(undefined);
  }
}

async function writeFile(
  tar: Pack,
  header: Header,
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const { entry, written } = beginEntry(tar, header);
  for await (const chunk of chunks) {
    if (!entry.write(chunk)) {
      await once(entry as unknown as NodeJS.EventEmitter, 'drain', { signal });
    }
  }
  entry.end(null);
  await written;
}

async function writeEntry(tar: Pack, header: Header): Promise<void> {
  await beginEntry(tar, header).written;
}

/** A tar that is destroyed tells each of its entries, whether somebody still waits for it or not. */
function beginEntry(tar: Pack, header: Header) {
  const { promise: written, resolve, reject } = Promise.withResolvers<void>();
  const entry = tar.entry(header, (error) => (error ? reject(error) : resolve()));
  entry.on('error', reject);
  written.catch(() => {});
  return { entry, written };
}
