import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

const GIB = 1024 ** 3;

/** Where and when figures were taken, in one line. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  const memory = `${Math.round(totalmem() / GIB)} GB`;
  const system = `${type()} ${release().replace(/^(\d+\.\d+).*/, '$1')}`;
  return `${availableParallelism()} cores (${model}), ${memory}, ${system}; ${today()}`;
}

/** The commit that was measured: "abc1234", with a word where files differ from it. */
export function commit(): string {
  const changed = git('status', '--porcelain', '--', 'src', 'bench') !== '';
  return git('rev-parse', '--short', 'HEAD') + (changed ? ' and changes' : '');
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
