import type { Brand } from '../brand.ts';
import { slug } from '../address/slug.ts';
import { plainLine } from '../plain-text.ts';
import { nearest } from '../nearest.ts';
import { type CommitId, toCommitId } from './commit-id.ts';
import type { CommitSet } from './commit-set.ts';

/** A branch's or tag's name as git spells it, without `refs/heads/` or `refs/tags/`. */
export type RefName = Brand<string, 'RefName'>;

/** A branch or a tag, and the commit it stands for. */
export interface Ref {
  kind: 'branch' | 'tag';
  name: RefName;
  commit: CommitId;
  /** The name as an address spells it. */
  slug: string;
}

/** What a ref in an address stands for. */
export type Found =
  | { kind: 'commit'; commit: CommitId; rule: string; fixed: boolean }
  | { kind: 'ambiguous'; choices: { name: string; commit: CommitId }[] }
  | { kind: 'unknown'; near: Ref[] };

/** Names to suggest on a 404: enough to help, few enough to read. */
const NEAR_LIMIT = 5;
/** Enough to tell commits apart, unless somebody made them alike. */
const SHOWN_DIGITS = 12;

/** What one repository's branches and tags were at one moment. A plain value, looked up by text. */
export class RefTable {
  readonly refs: readonly Ref[];
  readonly commits: CommitSet;
  readonly #bySlug: ReadonlyMap<string, Ref[]>;
  readonly #byCommit: ReadonlyMap<CommitId, Ref[]>;

  constructor(refs: readonly Ref[], commits: CommitSet) {
    this.refs = refs;
    this.commits = commits;
    this.#bySlug = Map.groupBy(refs, (ref) => ref.slug);
    this.#byCommit = Map.groupBy(refs, (ref) => ref.commit);
  }

  /** In this order: a full id; an exact slug; an abbreviated id. Never a guess. */
  find(text: string): Found {
    const id = toCommitId(text);
    if (id !== undefined && this.commits.has(id)) {
      return { kind: 'commit', commit: id, rule: 'full id', fixed: true };
    }
    return this.#bySlugOf(text) ?? this.#byAbbreviation(text) ?? this.#unknown(text);
  }

  /** The refs that stand for `commit`. */
  at(commit: CommitId): Ref[] {
    return this.#byCommit.get(commit) ?? [];
  }

  #bySlugOf(text: string): Found | undefined {
    const refs = this.#bySlug.get(text) ?? [];
    const [first] = refs;
    if (first === undefined) return undefined;
    if (refs.every((ref) => ref.commit === first.commit)) {
      return { kind: 'commit', commit: first.commit, rule: describe(first), fixed: false };
    }
    const choices = refs.map((ref) => ({ name: describe(ref), commit: ref.commit }));
    return { kind: 'ambiguous', choices };
  }

  #byAbbreviation(text: string): Found | undefined {
    const commits = this.commits.startingWith(text);
    const [first] = commits;
    if (first === undefined) return undefined;
    if (commits.length === 1) {
      return { kind: 'commit', commit: first, rule: 'abbreviated id', fixed: false };
    }
    let digits = SHOWN_DIGITS;
    const names = () => commits.map((commit) => commit.slice(0, digits));
    while (new Set(names()).size < commits.length) digits += 1;
    const choices = commits.map((commit) => ({
      name: `commit ${commit.slice(0, digits)}`,
      commit,
    }));
    return { kind: 'ambiguous', choices };
  }

  #unknown(text: string): Found {
    return { kind: 'unknown', near: nearest(text, this.refs, (ref) => ref.slug, NEAR_LIMIT) };
  }
}

/** Reads `git for-each-ref` lines: ref, id, type, and id and type of what an annotated tag points to. */
export function parseRefs(output: string): Ref[] {
  return output.split('\n').flatMap((line) => {
    const [ref = '', id = '', type, peeledId = '', peeledType] = line.split('\0');
    const match = /^refs\/(heads|tags)\/(.+)$/s.exec(ref);
    const commit = toCommitId(type === 'tag' ? peeledId : id);
    const names = type === 'commit' || peeledType === 'commit';
    if (match === null || commit === undefined || !names) return [];
    const [, kind, written = ''] = match;
    // Git lets controls above ASCII and marks that reorder text into a name.
    const name = plainLine(written) as RefName;
    return [{ kind: kind === 'heads' ? 'branch' : 'tag', name, commit, slug: slug(written) }];
  });
}

function describe(ref: Ref): string {
  return `${ref.kind} ${ref.name}`;
}
