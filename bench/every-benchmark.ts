import type { Benchmark } from './benchmark.ts';

/** All benchmarks, in the order of the document. */
import { firstVisit } from './first-visit.ts';
import { warmCpu } from './warm-cpu.ts';
export const EVERY_BENCHMARK: readonly Benchmark[] = [firstVisit, warmCpu];
