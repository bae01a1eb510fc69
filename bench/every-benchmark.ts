import type { Benchmark } from './benchmark.ts';
import { download } from './download.ts';
import { memory } from './memory.ts';
import { page } from './page.ts';
import { relay } from './relay.ts';
import { manyRoutes } from './routes.ts';
import { warmCpu } from './warm-cpu.ts';
import { warmLatency } from './warm-latency.ts';

/** All benchmarks, in the order of the document. */
export const EVERY_BENCHMARK: readonly Benchmark[] = [
  warmLatency,
  warmCpu,
  page,
  download,
  manyRoutes,
  memory,
  relay,
];
