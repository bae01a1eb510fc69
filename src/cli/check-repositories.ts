import { stat } from 'node:fs/promises';
import { environmentProblems } from '../config/environment.ts';
import type { RepositoryConfig } from '../config/repository.ts';
import { askRemote } from '../mirror/remote.ts';
import { bad, type Finding, ok, warn } from './finding.ts';

/** A remote that says nothing for so long is told as one: whoever asked the doctor waits. */
const PATIENCE_MS = 15_000;

/** What each repository answers, and whether its secrets are nobody else's to read. */
export async function checkRepositories(
  repositories: readonly RepositoryConfig[],
): Promise<Finding[]> {
  const asked = repositories.map(async (repository) => {
    const about = `repository ${repository.name}`;
    const problem = await askRemote(repository, PATIENCE_MS);
    const answer =
      problem === undefined
        ? ok(about, `${repository.url} answers`)
        : bad(about, `${repository.url} cannot be read: ${problem}`, 'Mend that, then look again.');
    const [unread, open] = await Promise.all([
      environmentProblems([repository]),
      openFiles(about, repository),
    ]);
    const none = unread.map(({ message }) => bad(about, message, 'Pool does not start before.'));
    return [answer, ...none, ...open];
  });
  return (await Promise.all(asked)).flat();
}

async function openFiles(about: string, { access }: RepositoryConfig): Promise<Finding[]> {
  const files = [access.sshKey, access.tokenFile].filter((file) => file !== undefined);
  const found = files.map(async (file) => {
    const mode = (await stat(file).catch(() => undefined))?.mode ?? 0;
    if ((mode & 0o077) === 0) return [];
    return [warn(about, `${file} is open to others`, `Run "chmod 600 ${file}".`)];
  });
  return (await Promise.all(found)).flat();
}
