import { plainLine } from './plain-text.ts';

/** Failures that say nothing about the commit: the next visit may try again. */
const OURS = [
  'repository-unreadable',
  'registry',
  'env-missing',
  'queue-full',
  'cancelled',
  'disk-full',
  'no-free-port',
  'engine-unreachable',
  'engine-lost',
  'engine-refused',
  'internal',
] as const;

/** What can go wrong on the way from a commit to its application, as pages, logs and the API name it. */
export type ErrorCode =
  | (typeof OURS)[number]
  | 'pool-yml'
  | 'no-dockerfile'
  | 'context-refused'
  | 'submodules'
  | 'lfs'
  | 'dockerfile-invalid'
  | 'base-image'
  | 'build-failed'
  | 'build-timeout'
  | 'exited'
  | 'unhealthy'
  | 'no-answer'
  | 'stopped-by-itself';

/** A failure in words that a visitor or an operator can be told: what happened, and what to do next. */
export class PreviewError extends Error {
  override readonly name = 'PreviewError';
  readonly code: ErrorCode;
  /** The next step to take, as a whole sentence. */
  readonly next: string;

  constructor(code: ErrorCode, message: string, next: string, options?: ErrorOptions) {
    // File names and engines' words come in here, and go out to pages, logs and terminals.
    super(message.split('\n').map(plainLine).join(' '), options);
    this.code = code;
    this.next = next;
  }
}

/** A failure as plain data: what states, pages and the API carry. */
export interface Failure {
  code: ErrorCode;
  message: string;
  next: string;
  /** True when pool or the engine failed and not the commit: the next visit tries again. */
  ours: boolean;
}

/** Turns whatever was thrown into a `Failure`; what nobody foresaw becomes `internal`. */
export function toFailure(error: unknown): Failure {
  if (error instanceof PreviewError) {
    const { code, message, next } = error;
    return { code, message, next, ours: OURS.some((one) => one === code) };
  }
  return {
    code: 'internal',
    message: 'Pool met an error that it did not expect.',
    next: 'Retry; when it happens again, read the log of the pool process and report it.',
    ours: true,
  };
}

/** Why work ended that nobody wants any more. */
export function cancelled(): PreviewError {
  return new PreviewError(
    'cancelled',
    'Pool stopped this work before it was done.',
    'Visit it again to start it again.',
  );
}
