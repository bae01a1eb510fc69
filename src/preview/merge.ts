/** Values of several sources in the order in which they come; ends when all have ended. */
export async function* merge<First, Second>(
  first: AsyncGenerator<First>,
  second: AsyncGenerator<Second>,
): AsyncGenerator<First | Second> {
  type Step = { source: AsyncGenerator<First | Second>; result: IteratorResult<First | Second> };
  const pull = async (source: AsyncGenerator<First | Second>): Promise<Step> => ({
    source,
    result: await source.next(),
  });
  const waiting = new Map<AsyncGenerator<First | Second>, Promise<Step>>(
    [first, second].map((source) => [source, pull(source)]),
  );
  while (waiting.size > 0) {
    const { source, result } = await Promise.race(waiting.values());
    if (result.done) {
      waiting.delete(source);
    } else {
      const next = pull(source);
      // It may fail while nobody asks for the next value: that is told then.
      next.catch(() => {});
      waiting.set(source, next);
      yield result.value;
    }
  }
}
