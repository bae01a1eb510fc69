import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EVERY_BENCHMARK } from './every-benchmark.ts';
import { commit, machine } from './machine.ts';
import { sectionText, withSection } from './report.ts';

/**
 * `npm run bench`: measures what is named, or everything, and prints the tables.
 * `--write` puts each into docs/performance.md, `--quick` only shows that it works.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean' }, quick: { type: 'boolean' } },
});
const known = EVERY_BENCHMARK.map(({ name }) => name);
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  throw new Error(`there is no benchmark ${unknown.join(', ')}; there are ${known.join(', ')}`);
}
if (values.quick && values.write) throw new Error('figures of --quick mean nothing: not written');

const DOCUMENT = join(import.meta.dirname, '../docs/performance.md');
const chosen = EVERY_BENCHMARK.filter(
  ({ name }) => positionals.length === 0 || positionals.includes(name),
);
for (const benchmark of chosen) {
  const { name, title } = benchmark;
  // Before the run: what is written while it runs was not measured.
  const where = `pool ${commit()} on Node ${process.versions.node}; ${machine()}`;
  const text = sectionText(await benchmark.run({ quick: values.quick === true }), where);
  process.stdout.write(`\n## ${title}\n\n${text}\n`);
  if (!values.write) continue;
  writeFileSync(DOCUMENT, withSection(readFileSync(DOCUMENT, 'utf8'), name, title, text));
}
