import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** Finds or starts a Docker engine with the base images in it: its address, or nothing where neither can be. */
export function bringUpEngine(): string | undefined {
  const engine = script('docker/engine.sh');
  const ready = engine !== undefined && script('docker/base-images.sh', engine) !== undefined;
  return ready ? engine : undefined;
}

/** Runs a script of the repository, its progress on the terminal; its output, or nothing on failure. */
function script(name: string, dockerHost?: string): string | undefined {
  const env = { ...process.env, ...(dockerHost === undefined ? {} : { DOCKER_HOST: dockerHost }) };
  const { status, stdout } = spawnSync(join(ROOT, name), {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim().replace(/^DOCKER_HOST=/, '') : undefined;
}
