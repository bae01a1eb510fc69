import { request } from 'node:http';
import { type Application, node } from '../test/engine/fixtures/applications.ts';
import { servePool } from '../test/engine/fixtures/served-pool.ts';
import { bringUpEngine } from '../test/bring-up-engine.ts';
import { GitRepository } from '../test/unit/fixtures/git-repository.ts';

/** A Node application that answers with 1 KB, and is as quick about it as Node is. */
const QUICK = node(`
const body = Buffer.alloc(1024, 'x');
require('node:http').createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/html', 'content-length': body.length });
  response.end(body);
}).listen(3000);
process.on('SIGTERM', () => process.exit(0));
`);

/** A preview that is ready, behind a pool of its own. */
export interface ServedPreview extends AsyncDisposable {
  /** Where pool listens, and by which Host the preview is asked for. */
  port: number;
  host: string;
  /** Where the engine publishes its container. */
  hostPort: number;
  containerId: string;
  pid: number;
}

/** Makes an application a commit, lets `pool serve` build it, and waits until it is ready. */
export async function servePreview(files: Application = QUICK): Promise<ServedPreview> {
  const engine = bringUpEngine();
  if (engine === undefined) throw new Error('This benchmark needs a Docker engine.');
  process.env['DOCKER_HOST'] = engine;
  await using opening = new AsyncDisposableStack();
  const repository = opening.use(new GitRepository());
  const commit = await repository.commit(files);
  const served = opening.use(await servePool(repository.path));
  const host = `${commit}.pool.localhost`;
  await get(served.port, host, '/', '*/*');
  const page = await get(served.port, host, '/_pool/', 'application/json');
  const { endpoint } = (JSON.parse(page) as { state: { endpoint: Endpoint } }).state;
  const undo = opening.move();
  return {
    port: served.port,
    host,
    hostPort: endpoint.published[endpoint.port] ?? 0,
    containerId: endpoint.containerId,
    pid: served.pool.pid,
    [Symbol.asyncDispose]: async () => await undo.disposeAsync(),
  };
}

interface Endpoint {
  port: number;
  published: Record<number, number>;
  containerId: string;
}

/** One GET of a preview's host. */
async function get(port: number, host: string, path: string, accept: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { host, accept };
  request({ host: '127.0.0.1', port, path, headers, agent: false }, async (answer) => {
    const text = (await answer.setEncoding('utf8').toArray()).join('');
    if (answer.statusCode === 200) resolve(text);
    else reject(new Error(`${host}${path} answered ${answer.statusCode}: ${text}`));
  })
    .once('error', reject)
    .end();
  return await promise;
}
