import type { Application } from './application.ts';

/** A proxy under test, with the application behind it. */
export interface Target {
  /** As the table's column is headed. */
  name: string;
  port: number;
  /** The Host that leads to the application. */
  hostHeader: string;
  application: Application;
  /** How many connections it opens to one application at most, where it has such a limit. */
  connections?: number;
  /** The Host that leads, on the same port, to an application that speaks HTTP/2 alone. */
  http2Host?: string;
}

/** One thing that a correct proxy does. */
export interface Probe {
  /** A sentence that is true of a correct proxy. */
  name: string;
  family: string;
  /** Pool promises it; HTTP leaves it open, or never heard of it. */
  own?: true;
  /** Would disturb others, or be disturbed. */
  alone?: true;
  /** Waits long for something not to come, and disturbs nobody: it may begin before all others. */
  waits?: true;
  /** Throws with what it saw. */
  run(target: Target): Promise<void>;
}

/** A probe that says nothing about this target. */
export class NotApplicable extends Error {}

/** Throws with what was seen unless that is what was expected. */
export function see(what: string, seen: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(seen), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${what}: expected ${short(other)}, saw ${short(one)}`);
}

/** Throws with what was seen unless it holds. */
export function hold(what: string, holds: boolean, seen: unknown): void {
  if (!holds) throw new Error(`expected ${what}, saw ${short(JSON.stringify(seen))}`);
}

function short(text: string | undefined): string {
  return text === undefined || text.length <= 300 ? String(text) : `${text.slice(0, 300)}…`;
}
