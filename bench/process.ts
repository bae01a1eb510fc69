import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** A core of its own for what is measured, another one for all that is needed to measure it. */
export const CORE = { measured: 0, beside: 1 } as const;

/** The kernel's clock ticks per second: what /proc counts in. */
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** A process that ends with its scope, on one core. */
export class Pinned implements AsyncDisposable {
  readonly pid: number;
  /** What it wrote on standard error, the end of it. */
  errors = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = '';

  constructor(core: number, [command, ...args]: readonly [string, ...string[]]) {
    const pinned = ['-c', String(core), command, ...args];
    this.#child = spawn('taskset', pinned, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#closed = once(this.#child, 'close');
    this.pid = this.#child.pid ?? 0;
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-2000);
    });
  }

  /** What it printed, once it has ended well. */
  async output(): Promise<string> {
    await this.#closed;
    if (this.#child.exitCode === 0) return this.#output;
    throw new Error(`${this.#child.spawnargs.join(' ')}: ${this.errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}

/** Keeps a process that runs already, threads and all, on one core. */
export function pin(core: number, pid: number): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
}

/** Ms of CPU, user and system, of a process with all of its threads and descendants so far; of the whole machine where none is named. */
export function cpuMs(pid?: number): number {
  if (pid === undefined) return machineMs();
  const ticks = familyOf(pid).map((one) => {
    const fields = statOf(one);
    return Number(fields[11]) + Number(fields[12]);
  });
  return (ticks.reduce((sum, one) => sum + one, 0) / TICKS) * 1000;
}

function machineMs(): number {
  const [all = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = all
    .replace(/^cpu +/, '')
    .split(' ')
    .map(Number);
  return ((user + nice + system + irq + softirq) / TICKS) * 1000;
}

/** Bytes of memory that a process and its descendants have in RAM. */
export function residentBytes(pid: number): number {
  const bytes = familyOf(pid).map((one) => {
    const status = readFileSync(`/proc/${one}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  });
  return bytes.reduce((sum, one) => sum + one, 0);
}

function familyOf(pid: number): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), Number(statOf(Number(name))[1])]),
  );
  const family = [pid];
  for (const one of family) {
    for (const [child, parent] of parents) if (parent === one) family.push(child);
  }
  return family;
}

/** The fields of /proc/PID/stat from the state on; none where the process has gone. */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
