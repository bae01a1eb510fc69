import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import { PreviewError } from '../errors.ts';
import { type Blob, readBlobs, type TreeEntry } from './objects.ts';

/** The pointer's own specification keeps it below 1024 bytes. */
const LFS_POINTER_LIMIT = 1024;
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';

/**
 * The entries of a context as a tar of raw blobs with fixed modes, in their order; `mtime` is every
 * entry's. Nothing is written to disk. Fails with `lfs` at a pointer to a file kept elsewhere.
 */
export function streamTar(
  gitDir: string,
  entries: readonly TreeEntry[],
  mtime: Date,
  signal: AbortSignal,
): Readable {
  const tar = pack();
  const stream = Readable.from(tar, { objectMode: false });
  // Whoever reads may go away with half of the tar: git must not wait for him.
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  writeEntries(tar, gitDir, entries, mtime, AbortSignal.any([signal, gone.signal])).then(
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
  mtime: Date,
  signal: AbortSignal,
): Promise<void> {
  const objects = entries.filter((entry) => entry.mode !== '040000').map((entry) => entry.object);
  const blobs = readBlobs(gitDir, objects, signal);
  for (const entry of entries) {
    if (entry.mode === '040000') {
      await writeEntry(tar, { name: entry.path, type: 'directory', mode: 0o755, mtime });
      continue;
    }
    const { value: blob } = await blobs.next();
    if (blob === undefined) throw new Error('git gave fewer blobs than it was asked for');
    if (entry.mode === '120000') {
      const linkname = Buffer.concat(await Array.fromAsync(blob.chunks)).toString('utf8');
      await writeEntry(tar, { name: entry.path, type: 'symlink', linkname, mode: 0o777, mtime });
    } else {
      const mode = entry.mode === '100755' ? 0o755 : 0o644;
      const header: Header = { name: entry.path, mode, mtime, size: blob.size };
      await writeFile(tar, header, refusePointer(entry.path, blob), signal);
    }
  }
  await blobs.return(undefined);
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

/** Passes a small blob's bytes on, unless they are a pointer to a file that is kept elsewhere. */
async function* refusePointer(path: string, blob: Blob): AsyncGenerator<Buffer> {
  if (blob.size > LFS_POINTER_LIMIT) return yield* blob.chunks;
  const bytes = Buffer.concat(await Array.fromAsync(blob.chunks));
  if (bytes.toString('latin1', 0, LFS_POINTER.length) === LFS_POINTER) throw lfsPointer(path);
  yield bytes;
}

function lfsPointer(path: string): PreviewError {
  return new PreviewError(
    'lfs',
    `${path} is kept in Git LFS, and pool does not fetch from LFS yet.`,
    'Put the file itself into the repository, or leave it out with a line in .dockerignore.',
  );
}
