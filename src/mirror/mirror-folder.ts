import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { remoteSettings, type Repository } from './remote-access.ts';

/**
 * No hook runs. The transports are the environment's to open: nothing here could widen that. All
 * that is fetched becomes a pack, for git takes single objects apart without a word of progress,
 * and silence ends a fetch.
 */
const CONFIG = `[core]
	repositoryformatversion = 1
	bare = true
	hooksPath = /dev/null
[fetch]
	unpackLimit = 1
[extensions]
	objectFormat = `;

/** A repository's ids are 40 or 64 digits long, all of them. */
export type ObjectFormat = 'sha1' | 'sha256';

/** What `git init --bare` makes, less the templates: no hook and no filter of this machine comes in. */
export async function makeFolder(
  folder: string,
  repository: Repository,
  format: ObjectFormat,
): Promise<void> {
  await mkdir(join(folder, 'objects'), { recursive: true });
  await mkdir(join(folder, 'refs'), { recursive: true });
  await writeHead(folder, (await readHead(folder)) ?? 'main');
  await writeWhole(folder, 'config', `${CONFIG}${format}\n`);
  await writeWhole(folder, '.gitconfig', await remoteSettings(repository));
}

/** The kind of ids of the mirror in `folder`, where one is. */
export async function readFormat(folder: string): Promise<ObjectFormat> {
  const config = await readFile(join(folder, 'config'), 'utf8').catch(() => '');
  return config.endsWith(' sha256\n') ? 'sha256' : 'sha1';
}

/** The default branch is kept where git keeps it, for a start that cannot wait for the remote. */
export async function readHead(folder: string): Promise<string | undefined> {
  const head = await readFile(join(folder, 'HEAD'), 'utf8').catch(() => '');
  return /^ref: refs\/heads\/(.+)\n$/.exec(head)?.[1];
}

/** Keeps the default branch. */
export async function writeHead(folder: string, branch: string): Promise<void> {
  await writeWhole(folder, 'HEAD', `ref: refs/heads/${branch}\n`);
}

/** Whole or not at all, as git does it; what is there already needs no room on a full disk. */
export async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const file = join(folder, name);
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return;
  await writeFile(`${file}.lock`, text);
  await rename(`${file}.lock`, file);
}
