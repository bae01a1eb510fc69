import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { PreviewError } from '../errors.ts';

/** What a registry is shown, in the engine's own words. */
export type Login = { username: string; password: string } | { identitytoken: string };

/** Looks up the login for one registry: "ghcr.io", "127.0.0.1:5000". */
export type Logins = (host: string) => Promise<Login | undefined>;

/** Under which name the engine, and those who log in to it, know Docker Hub. */
const HUB = 'https://index.docker.io/v1/';

/** A helper that asks a person, or a network that is away, must hold up no build for longer. */
const HELPER_LIMIT_MS = 10_000;

const Stored = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});

/** What pool relies on in the file that `docker login` writes. */
const CredentialsFile = z.object({
  auths: z.record(z.string(), Stored).default({}),
  credHelpers: z.record(z.string(), z.string()).default({}),
  credsStore: z.string().optional(),
});

const HelperAnswer = z.object({ Username: z.string(), Secret: z.string() });

/** The file in which the engine's usual tools keep logins, for the user that pool runs as. */
export function credentialsFile(env: NodeJS.ProcessEnv): string {
  const folder = env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker');
  return join(folder, 'config.json');
}

/**
 * Logins out of that file and of the helpers that it names. Both are asked each time, so that
 * `docker login` counts at once. Throws `registry`, in words that hold nothing of the file.
 */
export function readLogins(env: NodeJS.ProcessEnv): Logins {
  return async (host) => {
    const file = credentialsFile(env);
    const { auths, credHelpers, credsStore } = await read(file);
    const helper = credHelpers[host] ?? credHelpers[keyOf(host)] ?? credsStore;
    const helped = helper && (await askHelper(helper, keyOf(host), env));
    const [, stored] = Object.entries(auths).find(([name]) => hostOf(name) === host) ?? [];
    return helped || (stored && fromFile(stored));
  };
}

/** The logins of these registries, as the engine's API wants them with a build. */
export async function loginsOf(hosts: readonly string[], logins: Logins) {
  const found = await Promise.all(hosts.map(async (host) => [keyOf(host), await logins(host)]));
  return Object.fromEntries(found.filter(([, login]) => login !== undefined)) as Record<
    string,
    Login
  >;
}

/** The registry of an image, as its reference names it; Docker Hub's where it names none. */
export function registryOf(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  const named = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return named ? hostOf(first) : 'docker.io';
}

/** Whoever asks for a login may spell the registry as a URL, and Docker Hub in three ways. */
export function hostOf(name: string): string {
  const host = name.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return /^(index|registry-1)\.docker\.io$/.test(host) ? 'docker.io' : host;
}

/** The name under which a registry's login is kept, and handed to the engine. */
export function keyOf(host: string): string {
  return host === 'docker.io' ? HUB : host;
}

async function read(file: string): Promise<z.infer<typeof CredentialsFile>> {
  try {
    return CredentialsFile.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return CredentialsFile.parse({});
    // The parser's own words show a part of the file.
    throw unreadable(
      `${file} cannot be read${code === undefined ? ': it is not as docker login writes it' : ` (${code})`}`,
    );
  }
}

function fromFile({ auth, username, password, identitytoken }: z.infer<typeof Stored>) {
  if (identitytoken) return { identitytoken };
  if (username && password) return { username, password };
  const [, name, secret] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(auth ?? '', 'base64').toString()) ?? [];
  return name && secret ? { username: name, password: secret.replace(/\0+$/, '') } : undefined;
}

async function askHelper(name: string, key: string, env: NodeJS.ProcessEnv) {
  const program = `docker-credential-${name}`;
  const path = /^[\w.-]+$/.test(name) ? onPath(program, env) : undefined;
  if (path === undefined) throw unreadable(`${program.slice(0, 100)} is not on the PATH of pool`);
  const { promise, resolve } = Promise.withResolvers<{ error: unknown; output: string }>();
  const options = { timeout: HELPER_LIMIT_MS, killSignal: 'SIGKILL', env } as const;
  const asked = execFile(path, ['get'], options, (error, output) => resolve({ error, output }));
  // It may end without reading.
  asked.stdin?.on('error', () => {}).end(`${key}\n`);
  const { error, output } = await promise;
  if (error && /credentials not found/i.test(output)) return undefined;
  const answer = error ? undefined : HelperAnswer.safeParse(parse(output)).data;
  if (answer === undefined) {
    const killed = (error as { killed?: boolean } | null)?.killed;
    const how = killed ? `did not answer within ${HELPER_LIMIT_MS / 1000} s` : 'failed';
    throw unreadable(`${program} ${how} when it was asked for the login of ${hostOf(key)}`);
  }
  const { Username: username, Secret: password } = answer;
  return username === '<token>' ? { identitytoken: password } : { username, password };
}

/** Only where PATH is absolute: what lies where pool happens to stand is nobody's helper. */
function onPath(program: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreadable(what: string): PreviewError {
  return new PreviewError(
    'registry',
    `The logins for registries cannot be had: ${what}.`,
    'Mend that for the user that pool runs as, then retry.',
  );
}
