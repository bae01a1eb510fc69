import { realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../src/cli/ask-pool.ts';
import type { ConfigInput } from '../src/config/config.ts';
import { connectEngine, type Engine } from '../src/engine/connect.ts';
import { instanceOf } from '../src/engine/labels.ts';
import { removeInstance } from '../src/engine/remove-instance.ts';
import { PoolProcess } from '../test/engine/fixtures/pool-process.ts';
import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import { timed } from './timed.ts';

/** As short as the configuration allows: in a bench somebody pushes every second. */
const REFRESH_MS = 100;

/** `pool serve` as a process of its own, and all that it made goes with it. */
export class Served implements AsyncDisposable {
  readonly engine: Engine;
  readonly instance: string;
  readonly port: number;
  readonly #process: PoolProcess;
  readonly #folder: TemporaryFolder;
  readonly #dataDir: string;

  private constructor(engine: Engine, pool: PoolProcess, folder: TemporaryFolder) {
    this.engine = engine;
    this.#process = pool;
    this.#folder = folder;
    this.#dataDir = realpathSync(join(folder.path, 'data'));
    this.instance = instanceOf(this.#dataDir);
    this.port = Number(/pool\.localhost:([0-9]+)/.exec(pool.output)?.[1]);
  }

  static async open(remote: string, settings: Partial<ConfigInput> = {}): Promise<Served> {
    const folder = new TemporaryFolder();
    const config = join(folder.path, 'pool.config.mjs');
    const dataDir = join(folder.path, 'data');
    const repositories = [{ name: 'web', url: remote }];
    const fixed = { repositories, dataDir, listen: '127.0.0.1:0', refreshMs: REFRESH_MS };
    writeFileSync(config, `export default ${JSON.stringify({ ...fixed, ...settings })};\n`);
    const engine = await connectEngine(settings.engine, process.env);
    return new Served(engine, await PoolProcess.serve(['--config', config]), folder);
  }

  /** The value of a visit's Host header. */
  host(commit: string): string {
    return `${commit}.pool.localhost:${this.port}`;
  }

  /** Ms from the start of curl to its end, with the application's answer. */
  async visit(commit: string): Promise<number> {
    const url = `http://127.0.0.1:${this.port}/`;
    const quietly = ['--silent', '--output', '/dev/null', '--write-out', '%{http_code}'];
    const args = [...quietly, '--header', `Host: ${this.host(commit)}`, url];
    const { ms, output } = await timed('curl', args);
    // An application may well answer 404 or 500 by itself; these are words of pool.
    if (/^(50[23]|300)$/.test(output)) throw new Error(`${commit} answered ${output}`);
    return ms;
  }

  /** How a commit's image came to be, by `/_pool/`. */
  async wasBuilt(commit: string): Promise<boolean> {
    const url = `http://127.0.0.1:${this.port}/_pool/`;
    const headers = ['-H', `Host: ${this.host(commit)}`, '-H', 'Accept: application/json'];
    const { output } = await timed('curl', ['--silent', ...headers, url]);
    const { state } = JSON.parse(output) as { state: { build?: { reused: boolean } } };
    return state.build?.reused === false;
  }

  /** Ends a preview, as `pool stop` does. */
  async stop(commit: string): Promise<void> {
    await ask('stop', { address: commit }, { values: { 'data-dir': this.#dataDir } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end('SIGTERM');
    await removeInstance(this.engine, this.instance);
    this.#folder[Symbol.dispose]();
  }
}

/** A commit that was just made is fetched by the next visit. */
export async function untilFetchedAnew(): Promise<void> {
  await sleep(2 * REFRESH_MS);
}
