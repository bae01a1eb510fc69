import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bringUpEngine } from '../bring-up-engine.ts';
import { TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { EVERY_PROBE } from './every-probe.ts';
import { openLaboratory } from './laboratory.ts';
import { type Peer, PEERS, startPeer, versionOf } from './peers.ts';
import { page } from './page.ts';
import { type Column, failures, table } from './table.ts';
import { tryAll } from './try.ts';

/**
 * `npm run probes`: the table of pool beside other proxies, and what failed.
 * `--write` puts it into docs/probes.md, `--pool` leaves the others out, `--only <part of a name>`
 * tries just these probes.
 */
const { values } = parseArgs({
  options: { write: { type: 'boolean' }, pool: { type: 'boolean' }, only: { type: 'string' } },
});
const engine = bringUpEngine();
if (engine === undefined) throw new Error('The probes need a Docker engine.');
process.env['DOCKER_HOST'] = engine;
const probes = EVERY_PROBE.filter(({ name }) => name.includes(values.only ?? ''));

using folder = new TemporaryFolder();
await using laboratory = await openLaboratory();
const columns: Column[] = [
  {
    name: 'pool',
    version: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
    settings: 'as it comes',
    outcomes: await tryAll(laboratory.pool, probes),
  },
];
for (const peer of values.pool ? [] : PEERS) columns.push(await column(peer));
if (values.write)
  writeFileSync(join(import.meta.dirname, '../../docs/probes.md'), page(probes, columns));
process.stdout.write(`${table(probes, columns)}\n${failures(probes, columns)}`);

async function column(peer: Peer): Promise<Column> {
  const { name, settings } = peer;
  const version = await versionOf(peer);
  if (version === undefined)
    return { name, settings, version: 'not installed', outcomes: undefined };
  const own = join(folder.path, name);
  await mkdir(own);
  await using running = await startPeer(peer, own, laboratory.applicationPort);
  const { hostHeader, application } = laboratory.pool;
  const target = { name, port: running.port, hostHeader, application };
  return { name, settings, version, outcomes: await tryAll(target, probes) };
}
