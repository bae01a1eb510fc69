import { readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
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
 * the usual sockets that answers. Previews will be published on `publishOn`. Throws
 * `engine-unreachable` with what was tried, or why an engine cannot be used so.
 */
export async function connectEngine(
  wanted: string | undefined,
  env: NodeJS.ProcessEnv,
  publishOn = '127.0.0.1',
): Promise<Engine> {
  const named = wanted ?? (env['DOCKER_HOST'] || undefined);
  if (named !== undefined) refuse(named, publishOn);
  const hosts = named === undefined ? usualHosts(env) : [named];
  const problems: string[] = [];
  for (const host of hosts) {
    try {
      return await dial(host, env);
    } catch (error) {
      problems.push(`${host} (${explain(error, host)})`);
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

async function dial(host: string, env: NodeJS.ProcessEnv): Promise<Engine> {
  // No keep-alive: after a restart of the engine a pooled socket would fail the first request.
  const options = dialOptions(host, env);
  const { Agent } = options.protocol === 'https' ? https : http;
  const agent = Object.assign(new Agent({ keepAlive: false }), {
    // docker-modem writes out all that a call is made with, for a log that is off: beside fifty
    // other calls, each of which hangs on the agent, that was half a second of each start.
    [inspect.custom]: () => 'Agent',
  });
  const docker = new Docker({ ...options, agent } as Docker.DockerOptions);
  const abortSignal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  const answer: unknown = await (docker.version as (options: object) => Promise<unknown>)({
    abortSignal,
  });
  const { Version: version, Os, Arch, Components } = Version.parse(answer);
  const podman = Components.some((component) => component.Name.startsWith('Podman'));
  const platform = `${Os}/${Arch}`;
  return { docker, host, version, platform, buildKit: Os === 'linux' && !podman };
}

/** `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` mean what they mean to the `docker` command. */
function dialOptions(host: string, env: NodeJS.ProcessEnv): Docker.DockerOptions {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  const { hostname, port } = new URL(host);
  const at = { host: hostname.replaceAll(/[[\]]/g, '') };
  if (!env['DOCKER_TLS_VERIFY']) return { ...at, protocol: 'http', port: Number(port || 2375) };
  const folder = env['DOCKER_CERT_PATH'] || join(env['HOME'] ?? homedir(), '.docker');
  const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) =>
    readFileSync(join(folder, `${name}.pem`)),
  );
  return { ...at, protocol: 'https', port: Number(port || 2376), ca, cert, key };
}

/** True for an address that this machine alone reaches. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
}

/** What is told of previews that are published on an address that others reach as well. */
export function exposedOn(address: string): { words: string } {
  const words = `whoever reaches ${address}, other previews included, reaches every preview there past pool`;
  return { words };
}

/** Throws where pool could never reach what such an engine publishes. */
function refuse(host: string, publishOn: string): void {
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url?.protocol === 'unix:') return;
  if (url?.protocol === 'ssh:') {
    throw unusable(
      `Pool does not speak to an engine over ssh (${host}).`,
      'Forward its socket with "ssh -N -L /tmp/engine.sock:/var/run/docker.sock <host>", and set engine to unix:///tmp/engine.sock and publishOn to an address of that machine.',
    );
  }
  if (url?.protocol !== 'tcp:' || url.hostname === '') {
    throw unusable(
      `${host} is no address of an engine.`,
      'Write it as unix:///path/docker.sock or tcp://<host>:2375.',
    );
  }
  if (!isLoopback(url.hostname) && isLoopback(publishOn)) {
    throw unusable(
      `The engine at ${host} is on another machine, and pool does not reach what is published on the loopback of that.`,
      `Set publishOn in pool.config.ts to an address of that machine which pool reaches; ${exposedOn('it').words}.`,
    );
  }
}

function unusable(message: string, next: string): PreviewError {
  return new PreviewError('engine-unreachable', message, next);
}

function explain(error: unknown, host: string): string {
  const { code, message, path } = error as NodeJS.ErrnoException;
  if (path?.endsWith('.pem') === true) return `${path}: ${message}`;
  if (code === 'ENOENT') return 'not there';
  if (code === 'ECONNREFUSED') return 'nobody listens';
  if (code === 'EACCES') return denied(host.slice('unix://'.length));
  return message;
}

/** A container's user is in no group of the host's by itself, and names of groups differ there. */
function denied(socket: string): string {
  const gid = statSync(socket, { throwIfNoEntry: false })?.gid;
  if (gid === undefined) return 'permission denied';
  const own = process.getgroups?.().join(', ');
  return `permission denied: it is for the group ${gid}, and this process has ${own}; add its user to that group, or run its container with --group-add ${gid}`;
}
