import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** Runs a command to its end: how long it took, and what it printed. Throws where it fails. */
export async function timed(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ ms: number; output: string }> {
  const begun = performance.now();
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: [...stdio] });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), ended()]);
  const ms = performance.now() - begun;
  if (child.exitCode === 0) return { ms, output: output.trim() };
  throw new Error(`${command} ${args.join(' ')} exited with ${child.exitCode}: ${errors}`);

  async function ended(): Promise<void> {
    await once(child, 'close');
  }
}
