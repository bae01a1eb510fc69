import { join } from 'node:path';
import { freePort } from '../test/probes/peers.ts';
import type { Benchmark, BenchOptions, Section } from './benchmark.ts';
import { bulkApplication } from './bulk-application.ts';
import { HOST } from './closed-loop.ts';
import { startFront } from './contestants.ts';
import { CORE, Pinned, residentBytes } from './process.ts';

const MB = 1_000_000;
const MOST_MB = 64;
/** MB a second of a client that is slower than the application. */
const SLOW = 64;
const SAMPLE_MS = 50;

/** What big bodies leave or pile up in the front. */
export const memory: Benchmark = { name: 'memory', title: '1 GB up and down', run };

async function run({ quick }: BenchOptions): Promise<Section> {
  await using application = await bulkApplication();
  await using front = await startFront(await freePort(), application.port);
  const bytes = (quick ? 10 : 1000) * MB;
  await transfer(front.port, 'up', 50 * MB, 0);
  await transfer(front.port, 'down', 50 * MB, 0);
  const before = residentBytes(front.pid);
  const ways = [
    ['down', 0],
    ['down', SLOW],
    ['up', 0],
    ['up', SLOW],
  ] as const;
  const rows: string[][] = [];
  let most = 0;
  for (const [way, pace] of ways) {
    const begun = performance.now();
    const peak = await peakWhile(front.pid, () => transfer(front.port, way, bytes, pace));
    const seconds = (performance.now() - begun) / 1000;
    most = Math.max(most, peak - before);
    const client = pace === 0 ? 'as fast as it goes' : `${pace} MB/s`;
    rows.push([`${way}, ${client}`, seconds.toFixed(1), inMb(peak - before)]);
  }
  rows.push(['a second afterwards', '', inMb(residentBytes(front.pid) - before)]);
  return {
    how: `1 GB through pool's front, one after the other, its memory looked at every ${SAMPLE_MS} ms. Warm is after 50 MB up and down, at ${inMb(before)} MB. A slow client takes or gives ${SLOW} MB a second; the application is as fast as it can be.`,
    tables: [{ header: ['1 GB', 's', 'most memory above warm, MB'], rows }],
    goals: [
      {
        what: '1 GB up and down, fast and slow: memory above warm',
        must: `under ${MOST_MB} MB`,
        got: `${inMb(most)} MB`,
        reached: most < MOST_MB * MB,
      },
    ],
    notSaid:
      'One transfer at a time: each of several has buffers of its own. RSS counts what the garbage collector has not given back, too; so the figure is from one process, not a median of several.',
    contestants: [],
  };
}

async function transfer(port: number, way: 'down' | 'up', bytes: number, pace: number) {
  const file = join(import.meta.dirname, 'transfer.ts');
  const args = [port, HOST, way, bytes, pace].map(String);
  await using client = new Pinned(CORE.beside, [process.execPath, file, ...args]);
  await client.output();
}

async function peakWhile(pid: number, work: () => Promise<void>): Promise<number> {
  let peak = 0;
  const look = setInterval(() => (peak = Math.max(peak, residentBytes(pid))), SAMPLE_MS);
  await work().finally(() => clearInterval(look));
  return peak;
}

function inMb(bytes: number): string {
  return (bytes / MB).toFixed(0);
}
