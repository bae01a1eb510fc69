import PQueue, { type Queue, type QueueAddOptions } from 'p-queue';
import { PreviewError } from '../errors.ts';

type Run = () => Promise<unknown>;

/** How many builds run at once, and how many may wait. */
export interface QueueLimits {
  concurrency: number;
  waiting: number;
}

/**
 * The queue that serializes builds. `onMove` hears of everyone whose place changed, the first
 * in line being 1.
 */
export class BuildQueue {
  readonly #queue: PQueue<Queue<Run, QueueAddOptions>>;
  readonly #limits: QueueLimits;
  /** The last of those who build the same thing. */
  readonly #alike = new Map<string, Promise<unknown>>();

  constructor(limits: QueueLimits, onMove: (id: string, position: number) => void) {
    this.#limits = limits;
    this.#queue = new PQueue({ concurrency: limits.concurrency, queueClass: lineClass(onMove) });
  }

  /**
   * Runs `build` when its turn comes, and after others that build the same thing: `what` names it.
   * Throws `queue-full` at once where too many wait already.
   */
  async turn<Result>(
    id: string,
    what: string,
    build: () => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    if (this.#queue.size >= this.#limits.waiting) throw full(this.#limits.waiting);
    const run = async () => await this.#alone(what, build, signal);
    return await this.#queue.add(run, { id, signal });
  }

  /** A turn that waits here is lost to others, but only where two of a kind come side by side. */
  async #alone<Result>(
    what: string,
    build: () => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const before = this.#alike.get(what);
    const begin = async () => {
      signal.throwIfAborted();
      return await build();
    };
    const result = before === undefined ? begin() : before.then(begin, begin);
    this.#alike.set(what, result);
    try {
      return await result;
    } finally {
      if (this.#alike.get(what) === result) this.#alike.delete(what);
    }
  }
}

/**
 * First come, first served, and able to say who stands where, which p-queue itself does not tell.
 * p-queue makes the line, so that who listens to it comes in by this closure.
 */
function lineClass(
  onMove: (id: string, position: number) => void,
): new () => Queue<Run, QueueAddOptions> {
  return class Line implements Queue<Run, QueueAddOptions> {
    #waiting: { id: string | undefined; run: Run }[] = [];

    get size(): number {
      return this.#waiting.length;
    }

    enqueue(run: Run, options?: Partial<QueueAddOptions>): void {
      this.#waiting.push({ id: options?.id, run });
      this.#tell();
    }

    dequeue(): Run | undefined {
      const first = this.#waiting.shift();
      this.#tell();
      return first?.run;
    }

    remove(idOrRun: string | Run): void {
      this.#waiting = this.#waiting.filter(({ id, run }) => id !== idOrRun && run !== idOrRun);
      this.#tell();
    }

    filter(): Run[] {
      return this.#waiting.map(({ run }) => run);
    }

    /** All builds are equal. */
    setPriority(): void {}

    #tell(): void {
      for (const [index, { id }] of this.#waiting.entries()) {
        if (id !== undefined) onMove(id, index + 1);
      }
    }
  };
}

function full(limit: number): PreviewError {
  return new PreviewError(
    'queue-full',
    `The queue is full: ${limit} builds wait already.`,
    'Wait a little, then visit it again.',
  );
}
