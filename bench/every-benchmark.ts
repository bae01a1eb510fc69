import type { Benchmark } from './benchmark.ts';
import { download } from './download.ts';
import { firstVisit } from './first-visit.ts';
import { knownRecipe } from './known-recipe.ts';
import { memory } from './memory.ts';
import { page } from './page.ts';
import { relay } from './relay.ts';
import { replay, replayGenerated } from './replay.ts';
import { manyRoutes } from './routes.ts';
import { visitsPerMinute } from './visits-per-minute.ts';
import { waitingPage } from './waiting-page.ts';
import { warmCpu } from './warm-cpu.ts';
import { warmLatency } from './warm-latency.ts';

/** All benchmarks, in the order of the document. */
export const EVERY_BENCHMARK: readonly Benchmark[] = [
  firstVisit,
  replay,
  replayGenerated,
  knownRecipe,
  waitingPage,
  visitsPerMinute,
  warmLatency,
  warmCpu,
  page,
  download,
  manyRoutes,
  memory,
  relay,
];
