import { ask } from './ask-pool.ts';
import { type Command, EXIT, POOL_FLAGS, UsageError } from './command.ts';
import { report } from './report.ts';

const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const LONGEST_MS = 24 * 3_600_000;

/** `pool wait`: visits, and tells CI by its exit code what became of it. */
export const wait: Command = {
  name: 'wait',
  words: '<address> [--timeout 10m]',
  about: 'visits, and waits until it is ready (exit code for CI)',
  flags: [
    { name: 'timeout', value: '<time>', help: 'such as 90s or 10m, at most 24h; default: 10m' },
    ...POOL_FLAGS,
  ],
  more: `Exit codes
  0  it is ready                    1  it failed, and this prints why
  2  the command line is wrong      3  it was not ready in time; it goes on
  4  no such preview                5  no pool answers

Example
  pool wait $CI_COMMIT_SHA && npm run test:e2e`,
  async run(asked) {
    const { words, values } = asked;
    const timeoutMs = toMs(values['timeout'] ?? '10m');
    const row = await ask('wait', { address: words[0] ?? '', timeoutMs }, asked);
    report(row, values);
    if (row.phase === 'ready') return EXIT.ok;
    return row.phase === 'failed' || row.phase === 'cold' ? EXIT.failed : EXIT.timeout;
  },
};

function toMs(text: unknown): number {
  const [, digits, unit = ''] = /^(\d{1,9})(ms|s|m|h)$/.exec(String(text)) ?? [];
  const ms = Number(digits ?? NaN) * (UNITS_MS[unit] ?? NaN);
  if (ms <= LONGEST_MS) return ms;
  const message = `expected a time such as 90s or 10m, at most 24h; came ${JSON.stringify(text)}`;
  throw new UsageError([{ key: '--timeout', message }]);
}
