import { spawn } from 'node:child_process';
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

/** How long pool has patience with a helper. */
export const HELPER_PATIENCE = {
  /** One that asks a person, or a network that is away, must hold up no build for longer. */
  limitMs: 10_000,
  /** After that it is not asked for so long: each build in the queue would wait for it anew. */
  restMs: 30_000,
};

/** A login has a few hundred letters, a token some thousand. */
const ANSWER_LIMIT = 64 * 1024;

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
 * `docker login` counts at once; a helper once at a time, whoever wants to know. Throws `registry`,
 * in words that hold nothing of the file.
 */
export function readLogins(env: NodeJS.ProcessEnv, patience = HELPER_PATIENCE): Logins {
  const ask = onceAtATime(env, patience);
  return async (host) => {
    const file = credentialsFile(env);
    const { auths, credHelpers, credsStore } = await read(file);
    const helper = credHelpers[host] ?? credHelpers[keyOf(host)] ?? credsStore;
    const helped = helper && (await askHelper(helper, keyOf(host), env, ask));
    const [, stored] = Object.entries(auths).find(([name]) => hostOf(name) === host) ?? [];
    return helped || (stored && fromFile(stored));
  };
}

/**
 * The logins of these registries, as the engine's API wants them with a build. What cannot be looked
 * up is left out and put into `problems`, by host: the build may not need it.
 */
export async function loginsOf(
  hosts: readonly string[],
  logins: Logins,
  problems: Map<string, Error>,
): Promise<Record<string, Login>> {
  const found = hosts.map(async (host) => {
    const login = await loginOr(problems, host, logins);
    return login === undefined ? [] : [[keyOf(host), login] as const];
  });
  return Object.fromEntries((await Promise.all(found)).flat());
}

/** The login of a registry; where it cannot be looked up none, and why is put into `problems`. */
export async function loginOr(
  problems: Map<string, Error>,
  host: string,
  logins: Logins,
): Promise<Login | undefined> {
  try {
    return await logins(host);
  } catch (error) {
    problems.set(host, error as Error);
    return undefined;
  }
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

async function askHelper(name: string, key: string, env: NodeJS.ProcessEnv, ask: Ask) {
  const program = `docker-credential-${name}`;
  const path = /^[\w.-]+$/.test(name) ? onPath(program, env) : undefined;
  if (path === undefined) throw unreadable(`${program.slice(0, 100)} is not on the PATH of pool`);
  const { silent, code, output } = await ask(path, key);
  if (code !== 0 && /credentials not found/i.test(output)) return undefined;
  const answer = code === 0 ? HelperAnswer.safeParse(parse(output)).data : undefined;
  if (answer === undefined) {
    const how = silent ?? 'failed';
    throw unreadable(`${program} ${how} when it was asked for the login of ${hostOf(key)}`);
  }
  const { Username: username, Secret: password } = answer;
  return username === '<token>' ? { identitytoken: password } : { username, password };
}

/** What a helper came to; `silent` says in words that it never did. */
interface Heard {
  silent?: string;
  code?: number | null;
  output: string;
}
type Ask = (path: string, key: string) => Promise<Heard>;

/** Whoever asks the same of the same helper meanwhile gets the same answer; a silent one rests. */
function onceAtATime(env: NodeJS.ProcessEnv, patience: typeof HELPER_PATIENCE): Ask {
  const asked = new Map<string, Promise<Heard>>();
  return async (path, key) => {
    const question = `${path} ${key}`;
    const known = asked.get(question);
    if (known !== undefined) return await known;
    const asking = hear(path, key, env, patience.limitMs);
    asked.set(question, asking);
    const forget = () => asked.delete(question);
    const rest = () => setTimeout(forget, patience.restMs).unref();
    void asking.then(({ silent }) => (silent === undefined ? forget() : rest()), forget);
    return await asking;
  };
}

/** Runs a helper; one that is silent is ended with all that it started. */
async function hear(
  path: string,
  key: string,
  env: NodeJS.ProcessEnv,
  limitMs: number,
): Promise<Heard> {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  // In a group of its own, and so without a terminal to ask on.
  const child = spawn(path, ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(0, ANSWER_LIMIT);
  });
  child.once('error', () => resolve({ output })).once('close', (code) => resolve({ code, output }));
  // It may end without reading.
  child.stdin.on('error', () => {}).end(`${key}\n`);
  const late = setTimeout(() => {
    resolve({ silent: `did not answer within ${limitMs / 1000} s`, output: '' });
    if (child.pid !== undefined) endGroup(child.pid);
  }, limitMs);
  const heard = await promise;
  clearTimeout(late);
  return heard;
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
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
