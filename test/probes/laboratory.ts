import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestPool } from '../engine/fixtures/test-pool.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { Application } from './application.ts';
import type { Target } from './probe.ts';

const SCRIPT = readFileSync(join(import.meta.dirname, 'hostile-application.ts'), 'utf8');

/** The hostile application, built and run by pool, and pool before it. */
export interface Laboratory extends AsyncDisposable {
  pool: Target;
  /** Where the application is published. */
  applicationPort: number;
}

/** Makes a repository, lets pool build it, and waits until the application is there. */
export async function openLaboratory(): Promise<Laboratory> {
  await using opening = new AsyncDisposableStack();
  const repository = opening.use(new GitRepository());
  const commit = await repository.commit({
    Dockerfile: [
      'FROM node:24-slim',
      'WORKDIR /app',
      'EXPOSE 3000 3001',
      'COPY hostile-application.ts .',
      'CMD ["node", "hostile-application.ts"]',
      '',
    ].join('\n'),
    'hostile-application.ts': SCRIPT,
  });
  const pool = opening.use(await TestPool.open([repository.path]));
  await pool.visit(commit);
  const { state } = await pool.state(commit);
  const { 3000: applicationPort = 0, 3001: sideChannel = 0 } = state.endpoint?.published ?? {};
  const target: Target = {
    name: 'pool',
    port: pool.port,
    hostHeader: `${commit}.${pool.site}`,
    application: new Application(sideChannel),
  };
  const disposal = opening.move();
  return {
    pool: target,
    applicationPort,
    [Symbol.asyncDispose]: async () => await disposal.disposeAsync(),
  };
}
