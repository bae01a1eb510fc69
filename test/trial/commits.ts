import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TrialEntry } from './list.ts';

/** The commits to try, the oldest first: those that are named, or as many as are asked for. */
export function commitsOf(entry: TrialEntry, gitDir: string): string[] {
  if (typeof entry.commits !== 'number') return entry.commits;
  const dockerfile = entry.dockerfile ?? join(entry.context ?? '', 'Dockerfile');
  return spread(buildable(gitDir, dockerfile), entry.commits);
}

/** So many of them, as far from one another as can be, the first and the last among them. */
export function spread<One>(all: readonly One[], count: number): One[] {
  if (count === 1) return all.slice(-1);
  const step = Math.max(1, (all.length - 1) / (count - 1));
  return all.filter((_, at) => Math.round(Math.round(at / step) * step) === at);
}

/** The commits of the default branch that have the Dockerfile, one parent each, the oldest first. */
function buildable(gitDir: string, dockerfile: string): string[] {
  const git = (args: readonly string[], input = '') =>
    execFileSync('git', ['--git-dir', gitDir, ...args], {
      input,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
  const ids = git(['rev-list', '--first-parent', '--reverse', 'HEAD']).trim().split('\n');
  const asked = ids.map((id) => `${id}:${dockerfile}\n`).join('');
  const found = git(['cat-file', '--batch-check=%(objecttype)'], asked).split('\n');
  return ids.filter((_, at) => found[at] === 'blob');
}
