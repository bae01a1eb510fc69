import { z } from 'zod';
import { BuildSummary } from '../../src/build/image.ts';
import { askPort } from '../engine/fixtures/test-pool.ts';

/** What `/_pool/` tells as data, as far as a trial asks. */
const View = z.object({
  date: z.number(),
  state: z.object({
    phase: z.string(),
    build: BuildSummary.optional(),
    startMs: z.number().optional(),
    endpoint: z.object({ portRule: z.string() }).optional(),
    failure: z.object({ message: z.string(), next: z.string() }).optional(),
  }),
});
export type View = z.infer<typeof View>;

/** What came of one commit. */
export interface Outcome {
  commit: string;
  view: View;
  /** Of the first answer. */
  status: number;
  /** From the first visit to its answer's head, as a script sees it. */
  visitMs: number;
  /** The same of a second visit, where the first was the application's. */
  againMs?: number;
}

/** Visits a commit as a script does, held until there is an answer, and asks pool what it did. */
export async function visit(port: number, name: string, commit: string): Promise<Outcome> {
  const host = `${commit}---${name}.pool.localhost:${port}`;
  const first = await timed(port, host);
  const headers = { accept: 'application/json' };
  const told = await askPort(port, { host, path: '/_pool/', method: 'GET', headers });
  const view = View.parse(JSON.parse((await told.setEncoding('utf8').toArray()).join('')));
  if (first.commit !== commit) throw new Error(`${host} was answered by ${String(first.commit)}`);
  const outcome = { commit, view, status: first.status, visitMs: first.ms };
  if (view.state.phase !== 'ready') return outcome;
  return { ...outcome, againMs: (await timed(port, host)).ms };
}

async function timed(port: number, host: string) {
  const begun = performance.now();
  const answer = await askPort(port, { host, path: '/', method: 'GET', headers: {} });
  const ms = performance.now() - begun;
  answer.destroy();
  return { ms, status: answer.statusCode ?? 0, commit: answer.headers['x-pool-commit'] };
}
