import { unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { takenBy } from './lock-folder.ts';

/**
 * Listens on the control plane's socket. Throws where another pool answers on it, which is a second
 * lock of the data folder: whoever removes the file of the first has not removed both.
 */
export async function listenAlone(server: Server, path: string): Promise<void> {
  // sockaddr_un.sun_path has 108 bytes on Linux, 104 elsewhere.
  if (Buffer.byteLength(path) > 103) {
    throw new Error(`the path ${path} is too long for a socket; choose a shorter --data-dir`);
  }
  if (await somebodyListensOn(path)) throw takenBy(dirname(path));
  await listenOn(server, path);
}

/** Whether a process takes connections on a socket. */
export async function somebodyListensOn(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  const there = await promise;
  socket.destroy();
  return there;
}

/** Listens on a socket that nobody but this user may use. */
export async function listenOn(server: Server, path: string): Promise<void> {
  await unlink(path).catch(() => {});
  // Node binds before it returns: neither may others connect for a moment, nor is a file made
  // meanwhile that its owner cannot read.
  const mask = process.umask(0o177);
  const listening = listen(server, { path });
  process.umask(mask);
  await listening;
}

/** Resolves once the server listens; throws where it cannot. */
export async function listen(
  server: Server,
  where: { path: string } | { host: string; port: number },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(where, resolve);
  await promise;
  server.off('error', reject);
}

/** Takes no more connections, and resolves once those that are open have ended. */
export async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  await promise;
}
