import type { Benchmark } from './benchmark.ts';

/** All benchmarks, in the order of the document. */
import { firstVisit } from './first-visit.ts';
import { knownRecipe } from './known-recipe.ts';
import { replay, replayGenerated } from './replay.ts';
import { visitsPerMinute } from './visits-per-minute.ts';
import { waitingPage } from './waiting-page.ts';
import { warmCpu } from './warm-cpu.ts';
export const EVERY_BENCHMARK: readonly Benchmark[] = [
  firstVisit,
  replay,
  replayGenerated,
  knownRecipe,
  waitingPage,
  visitsPerMinute,
  warmCpu,
];
