/**
 * The `limit` names that a mistyped one most likely meant, nearest first: those within a third of
 * its letters in Levenshtein distance. A name that only goes on counts as near, and one that the typed
 * only goes on as just near enough.
 */
export function nearest<Item>(
  typed: string,
  items: readonly Item[],
  nameOf: (item: Item) => string,
  limit: number,
): Item[] {
  const limitFar = Math.max(2, Math.floor(typed.length / 3));
  return items
    .map((item) => ({ item, far: distance(typed, nameOf(item), limitFar) }))
    .filter(({ far }) => far < limitFar + 1)
    .toSorted((a, b) => a.far - b.far)
    .slice(0, limit)
    .map(({ item }) => item);
}

/** Anything above `most` is as good as infinite, and not worth its exact value. */
function distance(typed: string, name: string, most: number): number {
  if (name.startsWith(typed)) return 1;
  // A name of that length is the better guess.
  if (typed.startsWith(name)) return Math.min(typed.length - name.length, most + 0.5);
  if (Math.abs(name.length - typed.length) > most) return Infinity;
  let row = Array.from({ length: name.length + 1 }, (_, index) => index);
  for (let i = 0; i < typed.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < name.length; j++) {
      const changed = (row[j] ?? 0) + (typed[i] === name[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    if (Math.min(...next) > most) return Infinity;
    row = next;
  }
  return row[name.length] ?? name.length;
}
