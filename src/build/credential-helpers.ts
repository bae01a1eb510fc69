import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { PreviewError } from '../errors.ts';
import type { Login } from './credentials.ts';
import { keyOf } from './registry-name.ts';

/** How long pool has patience with a helper. */
export const HELPER_PATIENCE = {
  /** One that asks a person, or a network that is away, must hold up no build for longer. */
  limitMs: 10_000,
  /** After that it is not asked for so long: each build in the queue would wait for it anew. */
  restMs: 30_000,
};

/** A login has a few hundred letters, a token some thousand. */
const ANSWER_LIMIT = 64 * 1024;

const HelperAnswer = z.object({ Username: z.string(), Secret: z.string() });

/** The login that the helper of this name keeps for a registry. */
export type AskHelper = (name: string, host: string) => Promise<Login | undefined>;

/**
 * Runs the helpers on the PATH of `env`; who asks the same of one meanwhile shares its answer. Throws
 * `registry`, in words that hold nothing of what a helper said.
 */
export function credentialHelpers(env: NodeJS.ProcessEnv, patience = HELPER_PATIENCE): AskHelper {
  const ask = onceAtATime(env, patience);
  return async (name, host) => {
    const program = `docker-credential-${name}`;
    const path = /^[\w.-]+$/.test(name) ? onPath(program, env) : undefined;
    if (path === undefined) throw unreadable(`${program.slice(0, 100)} is not on the PATH of pool`);
    const { silent, code, output } = await ask(path, keyOf(host));
    if (code !== 0 && /credentials not found/i.test(output)) return undefined;
    const answer = code === 0 ? HelperAnswer.safeParse(parse(output)).data : undefined;
    if (answer === undefined) {
      const how = silent ?? 'failed';
      throw unreadable(`${program} ${how} when it was asked for the login of ${host}`);
    }
    const { Username: username, Secret: password } = answer;
    return username === '<token>' ? { identitytoken: password } : { username, password };
  };
}

/** Says why logins cannot be had; `what` must hold no part of one. */
export function unreadable(what: string): PreviewError {
  return new PreviewError(
    'registry',
    `The logins for registries cannot be had: ${what}.`,
    'Mend that for the user that pool runs as, then retry.',
  );
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
