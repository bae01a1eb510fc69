import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Application as ApplicationFiles } from '../engine/fixtures/applications.ts';
import { TestPool } from '../engine/fixtures/test-pool.ts';
import { GitRepository } from '../unit/fixtures/git-repository.ts';
import { Application } from './application.ts';
import type { Target } from './probe.ts';

/** How many connections pool opens to one port of a preview. */
const CONNECTIONS = 1024;

/** The hostile application and the one of HTTP/2, built and run by pool, and pool before them. */
export interface Laboratory extends AsyncDisposable {
  pool: Target;
  /** Where the hostile application is published. */
  applicationPort: number;
}

/** Makes a repository, lets pool build it, and waits until the hostile application is there. */
export async function openLaboratory(): Promise<Laboratory> {
  await using opening = new AsyncDisposableStack();
  const repository = opening.use(new GitRepository());
  const http2 = await repository.commit(application('http2-application.ts', 'EXPOSE 3000'));
  const hostile = await repository.commit(
    application('hostile-application.ts', 'EXPOSE 3000 3001'),
  );
  const pool = opening.use(await TestPool.open([repository.path]));
  await pool.visit(`${hostile}---3000`);
  const { state } = await pool.state(hostile);
  const { 3000: applicationPort = 0, 3001: sideChannel = 0 } = state.endpoint?.published ?? {};
  const target: Target = {
    name: 'pool',
    port: pool.port,
    // The side channel speaks HTTP too, and might be the first to answer.
    hostHeader: `${hostile}---3000.${pool.site}`,
    http2Host: `${http2}.${pool.site}`,
    application: new Application(sideChannel),
    connections: CONNECTIONS,
  };
  const disposal = opening.move();
  return {
    pool: target,
    applicationPort,
    [Symbol.asyncDispose]: async () => await disposal.disposeAsync(),
  };
}

/** A server in one file of this folder, as the files of a commit. */
function application(file: string, expose: string): ApplicationFiles {
  return {
    Dockerfile: [
      'FROM node:24-slim',
      'WORKDIR /app',
      expose,
      `COPY ${file} .`,
      `CMD ["node", "${file}"]`,
      '',
    ].join('\n'),
    [file]: readFileSync(join(import.meta.dirname, file), 'utf8'),
  };
}
