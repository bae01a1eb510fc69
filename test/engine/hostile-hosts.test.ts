import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { type HostileHead, hostileHeads, type Near } from '../unit/fixtures/hostile-hosts.ts';
import { raw } from '../unit/fixtures/servers.ts';
import { page } from './fixtures/applications.ts';
import { countingEngine } from './fixtures/counting-engine.ts';
import { servePool } from './fixtures/served-pool.ts';

/** Of each kind, in each of two batches. */
const COUNT = 5000;
const SEED = 20_261_120;
/** How pool is configured by default: an unknown name makes it look again at most so often. */
const REFRESH_MS = 10_000;

test('of ten thousand hostile hosts none reaches git or the engine, and memory stays flat', async () => {
  using repository = new GitRepository();
  const near = await hiddenObjects(repository);
  using folder = new TemporaryFolder();
  const git = await countingGit(folder.path);
  await using engine = await countingEngine(folder.path, process.env['DOCKER_HOST'] ?? '');
  // A heap so small that V8 has to collect: one that kept a tenth of its visitors would be full.
  const env = { ...git.env, NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=64' };
  await using served = await servePool(repository.path, { engine: engine.host, env });
  const atStart = new Set(await git.calls());
  // What pool asks by itself once it listens is asked by now.
  await quiet(() => engine.requests.length);
  const asked = engine.requests.length;
  expect(atStart.size, 'what pool itself asks of git goes through the counter').toBeGreaterThan(2);
  expect(asked, 'and what it asks of the engine').toBeGreaterThan(1);

  const figures: Record<string, number> = { seed: SEED };
  for (const batch of [1, 2]) {
    const heads = hostileHeads(SEED + batch, COUNT, near);
    const before = { calls: (await git.calls()).length, rss: await rssOf(served.pool.pid) };
    await sendAll(
      served.port,
      heads.filter((head) => !head.lookedUp),
    );
    expect(await git.calls(), 'hosts that the grammar refuses').toHaveLength(before.calls);

    const begun = Date.now();
    await sendAll(
      served.port,
      heads.filter((head) => head.lookedUp),
    );
    const allowed = 1 + Math.floor((Date.now() - begun) / REFRESH_MS);
    const calls = (await git.calls()).slice(before.calls);
    const fetches = calls.filter((call) => call.includes('fetch\0'));
    expect(fetches.length, 'names that could be new').toBeLessThanOrEqual(allowed);
    expect(
      calls.filter((call) => !atStart.has(call)),
      'no word of a visitor is in them',
    ).toEqual([]);
    expect(engine.requests.slice(asked)).toEqual([]);
    figures[`fetches, batch ${batch}`] = fetches.length;
    figures[`MB more, batch ${batch}`] = (await rssOf(served.pool.pid)) - before.rss;
  }
  expect(figures['MB more, batch 2']).toBeLessThan(24);
  console.log(figures);
  const answer = await raw(
    served.port,
    'GET / HTTP/1.1',
    'Host: main.pool.localhost',
    'Connection: close',
  );
  expect(answer.status, 'and who asks honestly is served').toBe(200);
  expect(engine.requests.length).toBeGreaterThan(asked);
});

/** Resolves when a count has not changed for half a second. */
async function quiet(count: () => number): Promise<void> {
  for (let seen = -1; seen !== count();) {
    seen = count();
    await sleep(500);
  }
}

/** Sends heads over connections of their own, some at once; each must be refused in order. */
async function sendAll(port: number, heads: readonly HostileHead[]): Promise<void> {
  const waiting = heads.values();
  const sender = async () => {
    for (const { family, lines } of waiting) {
      const { status, headers } = await raw(port, ...lines);
      expect([400, 404, 421], `${family}: ${JSON.stringify(lines)}`).toContain(status);
      expect(headers).not.toHaveProperty('x-pool-commit');
    }
  };
  await Promise.all(Array.from({ length: 32 }, sender));
}

/** A commit that is served, and objects beside it that no ref reaches or that are no commits. */
async function hiddenObjects(repository: GitRepository): Promise<Near> {
  await repository.commit(page('Secret'));
  const unreachable = repository.id('HEAD');
  repository.git(['checkout', '--quiet', '--orphan', 'other']);
  repository.git(['branch', '--delete', '--force', 'main']);
  const commit = await repository.commit(page('Public'));
  repository.git(['branch', '--move', 'main']);
  repository.git(['tag', '--annotate', '--message', 'A tag', 'v1']);
  const ids = ['HEAD^{tree}', 'HEAD:index.html', 'v1'].map((name) =>
    repository.git(['rev-parse', name]),
  );
  // Kept from being served by what is asked for, not by being gone.
  repository.git(['update-ref', 'refs/stash', unreachable]);
  repository.git(['update-ref', 'refs/pull/1/head', unreachable]);
  return { commit, hidden: [unreachable, ...ids] };
}

/** A `git` that writes down each call before it is one: arguments with a NUL after each. */
async function countingGit(folder: string) {
  const log = join(folder, 'git.log');
  const script = join(folder, 'git');
  const { PATH = '' } = process.env;
  await writeFile(log, '');
  await writeFile(
    script,
    `#!/bin/sh\n{ printf '%s\\0' "$@"; printf '\\001'; } >> '${log}'\nPATH='${PATH}' exec git "$@"\n`,
  );
  await chmod(script, 0o755);
  return {
    env: { PATH: `${folder}:${PATH}` },
    calls: async () => (await readFile(log, 'latin1')).split('\u0001').slice(0, -1),
  };
}

/** Megabytes that a process holds. */
async function rssOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(text)?.[1]) / 1024);
}
