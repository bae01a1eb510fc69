import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connectEngine } from '../../src/engine/connect.ts';
import { instanceOf } from '../../src/engine/labels.ts';
import { removeInstance } from '../../src/engine/remove-instance.ts';
import { PoolProcess } from '../engine/fixtures/pool-process.ts';
import { TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { commitsOf } from './commits.ts';
import { readList, settingsOf, type TrialEntry } from './list.ts';
import { line, table, type Tried, withTable } from './table.ts';
import { type Outcome, visit } from './visit.ts';

/**
 * `npm run trial -- <list>`: runs pool on the repositories and commits of a list, and prints what
 * came of each. `--write <file>` puts it between the two marks of a document, `--mirrors <folder>`
 * takes `<owner>/<name>.git` below it instead of an https URL, `--only <name>` tries just one.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'string' }, mirrors: { type: 'string' }, only: { type: 'string' } },
});

/** Longer than most builds; one that hangs costs the trial no more than this. */
const BUILD_LIMIT_MS = 5 * 60_000;
const START_LIMIT_MS = 60_000;

const engine = await connectEngine(undefined, process.env);
const list = readList(positionals[0] ?? join(import.meta.dirname, 'list.yml'));
const tried: Tried[] = [];
for (const entry of list.filter(({ name }) => name === (values.only ?? name))) {
  tried.push(await tryOut(entry));
  // A trial takes long: one that is ended has written what it came to.
  if (values.write !== undefined) write(values.write, `${await setUp()}\n\n${table(tried)}`);
}
process.stdout.write(table(tried));

/** A pool of its own for each repository: one that cannot be read is in nobody's way. */
async function tryOut(entry: TrialEntry): Promise<Tried> {
  using folder = new TemporaryFolder();
  await using undo = new AsyncDisposableStack();
  undo.defer(async () => await removeInstance(engine, instanceOf(realpathSync(folder.path))));
  const outcomes: Outcome[] = [];
  try {
    const pool = undo.use(await PoolProcess.serve(['--config', configure(entry, folder.path)]));
    const port = Number(/localhost:([0-9]+)/.exec(pool.output)?.[1]);
    for (const commit of commitsOf(entry, join(folder.path, 'mirrors', `${entry.name}.git`))) {
      outcomes.push(await visit(port, entry.name, commit));
      process.stderr.write(`${line({ entry, outcomes })}\n`);
    }
    await pool.end('SIGTERM');
    return { entry, outcomes };
  } catch (error) {
    process.stderr.write(`${entry.name}: ${String(error)}\n`);
    return { entry, outcomes, problem: String(error) };
  }
}

function configure(entry: TrialEntry, dataDir: string): string {
  const file = join(dataDir, 'pool.config.mjs');
  const config = {
    repositories: [settingsOf(entry, values.mirrors)],
    listen: '127.0.0.1:0',
    dataDir,
    buildTimeoutMs: BUILD_LIMIT_MS,
    startTimeoutMs: START_LIMIT_MS,
    holdMs: BUILD_LIMIT_MS + 2 * START_LIMIT_MS,
  };
  writeFileSync(file, `export default ${JSON.stringify(config)};\n`);
  return file;
}

function write(file: string, made: string): void {
  const document = existsSync(file) ? readFileSync(file, 'utf8') : '';
  writeFileSync(file, withTable(document, made));
}

async function setUp(): Promise<string> {
  const { Version, Os } = await engine.docker.version();
  const pool = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const git = execFileSync('git', ['--version'], { encoding: 'utf8' }).replace(
    /\D*([\d.]*\d).*\s/s,
    '$1',
  );
  const memory = Math.round(totalmem() / 2 ** 30);
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, pool ${pool}, Node ${process.versions.node}, Docker Engine ${Version} (${Os}), git ${git}, ${cpus().length} cores, ${memory} GB.`;
}
