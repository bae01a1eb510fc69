import { join } from 'node:path';
import { CORE, Pinned } from './process.ts';

/** Requests a second: what a page of many parts, or some dozen visitors, come to for a moment. */
const RATE = 2000;

/** How long answers took, in ms. */
export interface Waits {
  p50: number;
  p99: number;
}

/** Asks somebody at a fixed pace, by a process of its own. */
export async function waits(
  { address = '127.0.0.1', port }: { address?: string; port: number },
  host: string,
  seconds: number,
): Promise<Waits> {
  const file = join(import.meta.dirname, 'open-loop.ts');
  const args = [address, port, host, RATE, seconds].map(String);
  await using load = new Pinned(CORE.beside, [process.execPath, file, ...args]);
  const told = JSON.parse(await load.output()) as Waits & { failed: number };
  if (told.failed > 0) throw new Error(`${told.failed} requests to ${address}:${port} failed`);
  return told;
}
