import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { credentialHelpers, unreadable } from './credential-helpers.ts';
import { hostOf, keyOf } from './registry-name.ts';

/** What a registry is shown, in the engine's own words. */
export type Login = { username: string; password: string } | { identitytoken: string };

/** Looks up the login for one registry: "ghcr.io", "127.0.0.1:5000". */
export type Logins = (host: string) => Promise<Login | undefined>;

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

/** The file in which the engine's usual tools keep logins, for the user that pool runs as. */
export function credentialsFile(env: NodeJS.ProcessEnv): string {
  const folder = env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker');
  return join(folder, 'config.json');
}

/**
 * Logins out of that file and of the helpers that it names. Both are asked each time, so that
 * `docker login` counts at once. Throws `registry`, in words that hold nothing of the file.
 */
export function readLogins(env: NodeJS.ProcessEnv, askHelper = credentialHelpers(env)): Logins {
  return async (host) => {
    const file = credentialsFile(env);
    const { auths, credHelpers, credsStore } = await read(file);
    const helper = credHelpers[host] ?? credHelpers[keyOf(host)] ?? credsStore;
    const helped = helper && (await askHelper(helper, host));
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
