import type { CommitId } from './commit-id.ts';
import type { Mirror } from './mirror.ts';

/** What a person wants to know of a commit. */
export interface CommitSummary {
  id: CommitId;
  parents: CommitId[];
  author: string;
  /** Committer date, ms of the epoch. */
  date: number;
  subject: string;
}

const LOG_FORMAT = ['%H', '%P', '%an', '%ct', '%s'].join('%x00');

/** The last `count` commits of the history of `tip`, newest first; the hash decides, not a name. */
export async function history(
  mirror: Pick<Mirror, 'read'>,
  tip: CommitId,
  count: number,
  signal: AbortSignal,
): Promise<CommitSummary[]> {
  const args = ['log', `--max-count=${count}`, `--format=${LOG_FORMAT}`, tip, '--'];
  const output = await mirror.read(args, signal);
  return output.split('\n').flatMap((line) => {
    const [id, parents = '', author = '', date, subject = ''] = line.split('\0');
    if (subject === undefined || date === undefined) return [];
    const ids = parents.split(' ').filter((parent) => parent !== '');
    return [{ id, parents: ids, author, date: Number(date) * 1000, subject } as CommitSummary];
  });
}
