import type { Brand } from '../brand.ts';

/** A full object id of a commit: 40 hex digits, or 64 in a SHA-256 repository. */
export type CommitId = Brand<string, 'CommitId'>;

/** Fewer digits than this never name a commit: they would hide mistyped branch names. */
export const SHORTEST_ABBREVIATION = 7;

/** A full id, or `undefined`. */
export function toCommitId(text: string): CommitId | undefined {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? (text as CommitId) : undefined;
}
