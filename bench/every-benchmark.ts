import type { Benchmark } from './benchmark.ts';

/** All benchmarks, in the order of the document. */
export const EVERY_BENCHMARK: readonly Benchmark[] = [];
