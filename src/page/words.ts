import type { Happened } from '../preview/journal.ts';
import type { PreviewState } from '../preview/state.ts';

/** "1.8 s", "240 ms", "2 min 5 s". */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Words with a capital at their start. */
export function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const UNITS: [Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];
const AGES = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** "3 hours ago"; "just now" within a minute. */
export function age(date: number, now: number): string {
  const seconds = (now - date) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 0];
  return size === 0 ? 'just now' : AGES.format(-Math.round(seconds / size), unit);
}

/** What a preview does or did, in some words: "built in 1.8 s, 7 of 9 steps cached". */
export function phaseWords(state: PreviewState): string {
  switch (state.phase) {
    case 'cold':
      return 'not running';
    case 'queued':
      return state.position > 1 ? `in the queue, number ${state.position}` : 'next to be built';
    case 'building':
      if (state.pulling) return `pulling its image${state.step ? `, ${state.step}` : ''}`;
      return state.steps === 0 ? 'building' : `building, step ${state.steps}`;
    case 'starting':
      return 'starting';
    case 'ready':
    case 'failed': {
      if (state.phase === 'ready' && state.rebuild !== undefined) {
        if (state.rebuild.phase === 'failed')
          return `the rebuild ${ended(state.rebuild.failure)}, what was there serves on`;
        const way = state.rebuild.phase === 'cold' ? '' : `: ${phaseWords(state.rebuild)}`;
        return `rebuilding, and serving meanwhile${way}`;
      }
      if (state.phase === 'failed' && state.build === undefined) return 'failed';
      const startMs = state.phase === 'ready' ? state.startMs : 0;
      const built = state.build === undefined ? '' : buildWords(state.build, startMs);
      return state.phase === 'failed' ? `${built}, then failed` : built;
    }
  }
}

/** What a page about a preview is: where that changes it is loaded anew. */
export function pageKind(state: PreviewState): string {
  if (state.phase !== 'ready' || state.rebuild === undefined) return state.phase;
  return state.rebuild.phase === 'failed' ? 'rebuild-failed' : 'rebuilding';
}

/** What happened to a preview, in a sentence without its full stop. */
export function happenedWords(happened: Happened): string {
  switch (happened.what) {
    case 'queued':
      return 'asked for, and queued';
    case 'building':
      return 'its turn came, the build began';
    case 'starting':
      return `${buildWords(happened.build)}; a container was started`;
    case 'found':
      return 'pool started, and found its container running';
    case 'ready':
      return `ready, it answered after ${duration(happened.startMs)}`;
    case 'failed':
      return `${happened.serving ? rebuildWords(happened) : 'failed'} (${happened.code}): ${happened.message}`;
    case 'rebuilding':
      return 'to be built anew, and serving meanwhile';
    case 'cooled':
      return COOLED[happened.why];
  }
}

/** Who stops a rebuild may have stopped what served as well. */
function rebuildWords(failure: { code: string }): string {
  const serves = failure.code === 'cancelled' ? '' : ', what was there serves on';
  return `the rebuild ${ended(failure)}${serves}`;
}

function ended({ code }: { code: string }): string {
  return code === 'cancelled' ? 'was stopped' : 'failed';
}

const COOLED = {
  retried: 'tried once more',
  rebuilt: 'to be built anew',
  stopped: 'its container was stopped or removed',
  ended: 'its container ended while it was rebuilt',
  'engine-away': 'its container was gone when the engine came back',
} as const;

function buildWords(
  build: Extract<PreviewState, { phase: 'starting' }>['build'],
  startMs = 0,
): string {
  if (build.reused) {
    const took = build.ms === undefined ? '' : `, ${duration(build.ms + startMs)}`;
    const same = build.how === 'recipe' && build.from !== undefined;
    if (build.pulled !== undefined && build.how === undefined) return `its image was pulled${took}`;
    if (same) return `same recipe as ${build.from?.slice(0, 7)}, nothing built${took}`;
    return `nothing to build, the image was there${took}`;
  }
  return `built in ${duration(build.ms)}, ${build.cached} of ${build.steps} steps cached`;
}
