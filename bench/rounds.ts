/** The middle of several measurements, and how far they lie apart. */
export interface Spread {
  median: number;
  least: number;
  most: number;
}

/**
 * Measures each contestant once in every round, so that a busy minute of the machine meets them
 * all. Who begins changes from round to round. Results are by contestant, in the order of rounds.
 */
export async function alternating<Name extends string, Result>(
  rounds: number,
  contestants: Readonly<Record<Name, (round: number) => Promise<Result>>>,
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(contestants) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Result[]
  >;
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      results[name].push(await contestants[name](round));
    }
  }
  return results;
}

/** A contestant for each name, all measured the same way. */
export function eachOf<Name extends string, Result>(
  names: readonly Name[],
  measure: (name: Name) => Promise<Result>,
): Record<Name, () => Promise<Result>> {
  const entries = names.map((name) => [name, async () => await measure(name)]);
  return Object.fromEntries(entries) as Record<Name, () => Promise<Result>>;
}

/** Median, least and most of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), least: quantile(sorted, 0), most: quantile(sorted, 1) };
}

/** What a round's pairs differ by, round for round: a busy round weighs on both sides of it. */
export function differences(of: readonly number[], from: readonly number[]): number[] {
  return of.map((value, round) => value - (from[round] ?? Number.NaN));
}

/** The quotients of a round's pairs, round for round. */
export function ratios(of: readonly number[], to: readonly number[]): number[] {
  return of.map((value, round) => value / (to[round] ?? Number.NaN));
}

/** The value below which a share of sorted values lies, between two of them in proportion. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}
