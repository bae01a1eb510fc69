import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { TemporaryFolder } from '../test/unit/fixtures/git-repository.ts';
import { timed } from './timed.ts';

export type Builder = 'buildkit' | 'classic';

const SCRIPT = join(import.meta.dirname, 'by-hand.sh');
const DOCKERFILE = 'FROM scratch\nLABEL dev.pool.bench=asks-which-builder\n';

/** A `docker` that can be asked for a builder, with its version. */
export interface DockerCli {
  path: string;
  version: string;
  builder: Builder;
  /** The engine, where it is not the usual one. */
  host?: string;
}

/**
 * The first `docker` on PATH that builds with `builder`; from version 23 on BuildKit needs buildx
 * beside it. `undefined` where there is none.
 */
export async function dockerFor(builder: Builder): Promise<DockerCli | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const path of folders.map((folder) => join(folder, 'docker')).filter(existsSync)) {
    const build = `printf '${DOCKERFILE.replaceAll('\n', '\\n')}' | "$0" build --quiet -`;
    const { output: image } = await timed('sh', ['-c', build, path], wish(builder)).catch(() => ({
      output: undefined,
    }));
    if (image === undefined) continue;
    await timed(path, ['image', 'rm', image]).catch(() => undefined);
    const { output } = await timed(path, ['version', '--format', '{{.Client.Version}}']);
    return { path, version: output, builder };
  }
  return undefined;
}

function wish(builder: Builder): NodeJS.ProcessEnv {
  return { DOCKER_BUILDKIT: builder === 'buildkit' ? '1' : '0' };
}

/** Somebody who has a clone, and types what is needed to see a commit. */
export class ByHand implements Disposable {
  readonly #docker: DockerCli;
  readonly #folder = new TemporaryFolder();

  private constructor(docker: DockerCli) {
    this.#docker = docker;
  }

  static async open(docker: DockerCli, remote: string): Promise<ByHand> {
    const hands = new ByHand(docker);
    await timed('git', ['clone', '--quiet', '--mirror', remote, hands.#folder.path]);
    return hands;
  }

  /** Ms from the first command to the application's first answer; what was made goes again after. */
  async visit(commit: string): Promise<number> {
    const { path, builder, host } = this.#docker;
    const env = { ...wish(builder), ...(host === undefined ? {} : { DOCKER_HOST: host }) };
    const { ms, output } = await timed(SCRIPT, [path, this.#folder.path, commit], env);
    await timed(path, ['rm', '--force', '--volumes', output], env);
    return ms;
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}
