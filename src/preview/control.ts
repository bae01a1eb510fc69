import type { Address } from '../address/host.ts';
import type { LogPiece } from '../build/build-log.ts';
import type { Failure } from '../errors.ts';
import type { CommitId } from '../mirror/commit-id.ts';
import type { Endpoint } from '../run/endpoint.ts';
import type { Happened } from './journal.ts';
import type { Rebuild } from './make-preview.ts';
import type { PreviewId } from './preview.ts';
import type { PreviewState } from './state.ts';

/** The way to a ready preview. A plain value: any proxy could be handed a table of these. */
export interface Route {
  preview: PreviewId;
  commit: CommitId;
  endpoint: Endpoint;
  /** Grows with every route: a higher one replaces a lower one. */
  generation: number;
}

/** What pages tell of a preview. */
export interface PreviewView {
  id: PreviewId;
  repository: string;
  commit: CommitId;
  author: string;
  /** Committer date, ms of the epoch. */
  date: number;
  subject: string;
  /** Labels of links to the parents' previews. */
  parents: string[];
  /** "branch main", "tag v1.0". */
  refs: string[];
  /** The label of the link to this very commit. */
  label: string;
  /** The operator's variables that the next start of its container gets, and their layer. */
  variables: { name: string; layer: string }[];
  state: PreviewState;
  /** What happened last, newest first. */
  happened: Happened[];
}

/** Something to choose from, or a name that is near. */
export interface Choice {
  name: string;
  label: string;
}

/** What an address stands for. */
export type Visit =
  | {
      kind: 'preview';
      view: PreviewView;
      /** The rule that resolved the address: "full id", "branch main". */
      rule: string;
      /** Ms of the epoch until which the address surely means this commit; none where it always does. */
      until?: number;
      /** Ms of the epoch of the last fetch that succeeded; 0 where there was none since pool started. */
      mirroredAt: number;
    }
  | { kind: 'ambiguous'; choices: Choice[] }
  | { kind: 'unknown'; near: Choice[]; reason: string; retryAfterMs: number | undefined }
  | { kind: 'refused'; failure: Failure };

/** What happens to a preview while somebody watches. */
export type Happening = { kind: 'state'; state: PreviewState } | ({ kind: 'log' } & LogPiece);

/**
 * What the front asks of the control plane: the seam between the two planes. Every question and
 * answer is plain data, so that a socket can lie between them; a ready preview's visitors cause no
 * question at all.
 */
export interface Control {
  /** What an address stands for; `start` also begins what nobody began yet. */
  visit(address: Address, start: boolean): Promise<Visit>;
  /** Resolves with the state once the preview is ready, failed or cold, or when `signal` aborts. */
  settled(preview: PreviewId, signal: AbortSignal): Promise<PreviewState>;
  /** The state and the log from an offset on, as they come, until `signal` aborts. */
  follow(preview: PreviewId, from: number, signal: AbortSignal): AsyncIterable<Happening>;
  /** Everything a preview's log has. */
  log(preview: PreviewId): Promise<string>;
  /** Starts a failed preview again. */
  retry(preview: PreviewId): Promise<void>;
  /** Builds a preview's image anew; `false` while it is being made already, or where no ref reaches its commit any more. */
  rebuild(preview: PreviewId, how: Rebuild): Promise<boolean>;
}
