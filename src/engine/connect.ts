import { Agent } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import { z } from 'zod';
import { PreviewError } from '../errors.ts';

/** An engine that answered, and what pool must know of it. */
export interface Engine {
  docker: Docker;
  /** Its address as `DOCKER_HOST` spells it. */
  host: string;
  version: string;
  /** What its containers run on: "linux/amd64". */
  platform: string;
  /** Whether its API builds with BuildKit. */
  buildKit: boolean;
}

/** What pool relies on in the answer of `GET /version`. */
const Version = z.object({
  Version: z.string(),
  Os: z.string().default('linux'),
  Arch: z.string().default(''),
  ApiVersion: z.string().default('1.41'),
  Components: z.array(z.object({ Name: z.string() })).default([]),
});

/** An engine that lets so much time pass is of no use to a visitor. */
const ANSWER_LIMIT_MS = 5000;

/**
 * Finds the engine: `wanted` (or `DOCKER_HOST`) and no other where it is given, else the first of
 * the usual sockets that answers. Throws `engine-unreachable` with what was tried.
 */
export async function connectEngine(
  wanted: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Engine> {
  const named = wanted ?? (env['DOCKER_HOST'] || undefined);
  const hosts = named === undefined ? usualHosts(env) : [named];
  const problems: string[] = [];
  for (const host of hosts) {
    try {
      return await dial(host);
    } catch (error) {
      problems.push(`${host} (${explain(error)})`);
    }
  }
  throw new PreviewError(
    'engine-unreachable',
    `No Docker engine answers. Tried: ${problems.join(', ')}.`,
    named === undefined
      ? 'Start one: "docker/engine.sh up" does it on Debian and Ubuntu, and says what to do elsewhere.'
      : 'Start it, or name another with --engine.',
  );
}

/** Where engines listen, in order: the system's, rootless, Docker Desktop, Colima, `docker/engine.sh`. */
function usualHosts(env: NodeJS.ProcessEnv): string[] {
  const home = env['HOME'] ?? homedir();
  const runtime = env['XDG_RUNTIME_DIR'];
  const ours =
    env['POOL_ENGINE_DIR'] ??
    join(env['XDG_DATA_HOME'] ?? join(home, '.local/share'), 'pool/engine');
  const sockets = [
    '/var/run/docker.sock',
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock')]),
    join(home, '.docker/run/docker.sock'),
    join(home, '.colima/default/docker.sock'),
    join(ours, 'docker.sock'),
  ];
  return sockets.map((socket) => `unix://${socket}`);
}

async function dial(host: string): Promise<Engine> {
  // No keep-alive: after a restart of the engine a pooled socket would fail the first request.
  const agent = Object.assign(new Agent({ keepAlive: false }), {
    // docker-modem writes out all that a call is made with, for a log that is off: beside fifty
    // other calls, each of which hangs on the agent, that was half a second of each start.
    [inspect.custom]: () => 'Agent',
  });
  const docker = new Docker({ ...dialOptions(host), agent } as Docker.DockerOptions);
  const abortSignal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  const answer: unknown = await (docker.version as (options: object) => Promise<unknown>)({
    abortSignal,
  });
  const { Version: version, Os, Arch, Components } = Version.parse(answer);
  const podman = Components.some((component) => component.Name.startsWith('Podman'));
  const platform = `${Os}/${Arch}`;
  return { docker, host, version, platform, buildKit: Os === 'linux' && !podman };
}

function dialOptions(host: string): Docker.DockerOptions {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  const url = URL.canParse(host) ? new URL(host) : undefined;
  const local = url !== undefined && /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
  if (url === undefined || url.protocol !== 'tcp:' || !local) {
    throw new Error(
      'pool needs a unix socket or a tcp address on this machine: it dials ports that the engine publishes on loopback',
    );
  }
  return { protocol: 'http', host: url.hostname, port: Number(url.port || 2375) };
}

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'not there';
  if (code === 'ECONNREFUSED') return 'nobody listens';
  if (code === 'EACCES') return 'permission denied: add yourself to the group "docker"';
  return message;
}
