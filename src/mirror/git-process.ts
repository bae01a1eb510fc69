import { spawn } from 'node:child_process';
import { type SimpleGit, simpleGit } from 'simple-git';
import { gitEnvironment } from './git-environment.ts';

/** A git process that ends with the scope that holds it, read to the end or not. */
export function runGit(
  gitDir: string,
  args: readonly string[],
  signal: AbortSignal,
  env = gitEnvironment(gitDir),
) {
  const child = spawn('git', ['--git-dir', gitDir, ...args], { signal, env });
  let words = '';
  // First of all: a process that could not be started tells so by this event alone.
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`git ${args[0]} exited with ${code}: ${words.trim()}`));
    });
  });
  // Whoever reads the output may fail before anyone awaits the end.
  ended.catch(() => {});
  if (child.pid === undefined) throw new Error(`git ${args[0]} could not be started`);
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000);
  });
  return {
    child,
    stdin: child.stdin,
    stdout: child.stdout,
    ended,
    [Symbol.dispose]: () => child.kill(),
  };
}

/**
 * A git in `folder` whose output is small enough to be held. One instance a call: simple-git binds
 * its abort signal when it is made. `silenceMs` of 0 is no limit.
 */
export function gitIn(
  folder: string,
  signal: AbortSignal,
  env = gitEnvironment(folder),
  silenceMs = 0,
): SimpleGit {
  return simpleGit({
    baseDir: folder,
    abort: signal,
    allowEnvironment: Object.keys(env),
    timeout: { block: silenceMs },
    errors: (error, { exitCode }) => error ?? unfinished(exitCode),
  }).env(env);
}

/** What simple-git takes for success where git ends without a word: half of an answer, or none. */
function unfinished(exitCode: number | null): Buffer | undefined {
  if (exitCode === 0) return undefined;
  const how =
    exitCode === null ? 'was killed, most likely for want of memory' : `exited with ${exitCode}`;
  return Buffer.from(`fatal: git ${how}`);
}
