import type { RepositoryName } from '../address/label.ts';
import { PreviewError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { Mirror, PATIENCE } from './mirror.ts';
import { remoteKey, type Repository } from './remote-access.ts';
import { unreadable } from './remote-problem.ts';

/**
 * The mirrors of all that is configured. One that cannot be fetched keeps no other from being
 * served: it is asked again at a slow pace. Throws `repository-unreadable` where none has anything
 * to serve, and all of them are sure to stay so until the configuration is mended.
 */
export async function openMirrors(
  repositories: readonly Repository[],
  parent: string,
  logger: Logger,
  signal: AbortSignal,
  patience = PATIENCE,
): Promise<Map<RepositoryName, Mirror>> {
  // Names of one remote, as a monorepo has them, share its copy and its fetches.
  const copies = new Map<string, Promise<Mirror>>();
  const opened = repositories.map(async (repository) => {
    const { name } = repository;
    const key = remoteKey(repository);
    const tell = (event: string, told: object) => logger(event, { repository: name }, told);
    const copy = copies.get(key) ?? Mirror.open(repository, parent, signal, patience, tell);
    copies.set(key, copy);
    return [name, await copy] as const;
  });
  const mirrors = new Map(await Promise.all(opened));
  const all = [...new Set(mirrors.values())];
  if (all.every(({ copied, lasting }) => !copied && lasting)) throw allUnreadable(all);
  for (const mirror of all) void mirror.fetchUntilCopied(signal);
  return mirrors;
}

function allUnreadable(mirrors: readonly Mirror[]): PreviewError {
  const all = mirrors.map(({ repository, problem = '' }) => unreadable(repository, problem));
  const message = all.map((one) => one.message).join(' ');
  return new PreviewError('repository-unreadable', message, all[0]?.next ?? '');
}
