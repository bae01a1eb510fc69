import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { clearLeftOverGit } from '../../../src/mirror/left-over-git.ts';
import { Mirror } from '../../../src/mirror/mirror.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();

/** A process as a pool leaves it that has its mirrors there. */
function sleepFor(mirrors: string) {
  return spawn('sleep', ['60'], { env: { ...process.env, POOL_MIRRORS: mirrors } });
}

describe.runIf(existsSync('/proc/self/environ'))('what an earlier pool left at work', () => {
  it('is ended, and nobody else is', async () => {
    using folder = new TemporaryFolder();
    const ours = sleepFor(folder.path);
    const others = sleepFor(`${folder.path}-of-another-pool`);
    const ended = once(ours, 'exit');
    await clearLeftOverGit(folder.path);
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect(others.exitCode ?? others.signalCode).toBeNull();
    others.kill();
  });

  it('is ended harder where it does not listen', async () => {
    using folder = new TemporaryFolder();
    const env = { ...process.env, POOL_MIRRORS: folder.path };
    const deaf = spawn('sh', ['-c', 'trap "" TERM; echo; while :; do sleep 0.1; done'], { env });
    await once(deaf.stdout, 'data');
    const ended = once(deaf, 'exit');
    await clearLeftOverGit(folder.path);
    expect(await ended).toEqual([null, 'SIGKILL']);
  });
});

describe('a mirror whose git was killed in the middle', () => {
  it('is fetched again, and has nothing half-written left', async () => {
    using remote = new GitRepository();
    using parent = new TemporaryFolder();
    await remote.commit({ a: '1' });
    const open = async () =>
      await Mirror.open({ name: NAME, url: remote.path }, parent.path, NEVER);
    const { folder } = await open();
    for (const name of ['objects/aa', 'objects/pack'])
      await mkdir(join(folder, name), { recursive: true });
    const left = [
      'packed-refs.lock',
      'shallow.lock',
      'config.lock',
      'refs/heads/main.lock',
      'objects/pack/tmp_pack_x1',
      'objects/pack/.tmp-123-pack-abc.pack',
      'objects/aa/tmp_obj_x1',
    ];
    for (const name of left) await writeFile(join(folder, name), 'half');
    const gone = join(parent.path, 'served-no-longer.git', 'objects', 'pack');
    await mkdir(gone, { recursive: true });
    await writeFile(join(gone, 'tmp_pack_x2'), 'half');
    await clearLeftOverGit(parent.path);
    const second = await remote.commit({ a: '2' });
    const mirror = await open();
    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.find('main')).toMatchObject({ commit: second });
    const files = await readdir(parent.path, { recursive: true });
    expect(files.filter((name) => /\.lock$|tmp/.test(name))).toEqual([]);
  });

  it('has nothing half-written left after a fetch that broke off', async () => {
    using remote = new GitRepository();
    using parent = new TemporaryFolder();
    await remote.commit({ a: '1' });
    const mirror = await Mirror.open({ name: NAME, url: remote.path }, parent.path, NEVER);
    await remote.commit({ a: randomBytes(500_000), b: randomBytes(400_000) });
    remote.git(['repack', '-a', '-d', '--quiet']);
    const packs = join(remote.gitDir, 'objects', 'pack');
    const pack = (await readdir(packs)).find((name) => name.endsWith('.pack')) ?? 'none';
    const damaged = await readFile(join(packs, pack));
    await rm(join(packs, pack));
    await writeFile(join(packs, pack), damaged.fill(0, 800_000, 810_000));
    await mkdir(join(mirror.folder, 'lfs', 'fetch-x'), { recursive: true });
    await writeFile(join(mirror.folder, 'packed-refs.lock'), 'half');
    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeDefined();
    const files = await readdir(mirror.folder, { recursive: true });
    expect(files.filter((name) => /\.lock$|tmp/.test(name))).toEqual([]);
    expect(files, 'Git LFS may be at work').toContain('lfs/fetch-x');
  });

  it('keeps branches that are called like what git leaves half-written', async () => {
    using remote = new GitRepository();
    using parent = new TemporaryFolder();
    const commit = await remote.commit({ a: '1' });
    remote.git(['branch', 'tmp-fix']);
    remote.git(['tag', 'tmp_work/one']);
    const url = remote.path;
    await Mirror.open({ name: NAME, url }, parent.path, NEVER);
    await rename(remote.path, `${remote.path}-away`);
    const mirror = await Mirror.open({ name: NAME, url }, parent.path, NEVER);
    await mirror.refresh(NEVER);
    await rename(`${remote.path}-away`, remote.path);
    expect(mirror.problem, 'nothing is fetched').toBeDefined();
    expect(mirror.table.at(commit).map(({ name }) => name)).toEqual([
      'main',
      'tmp-fix',
      'tmp_work/one',
    ]);
  });

  it.each(['cut off', 'removed'])('is copied anew where its objects were %s', async (how) => {
    using remote = new GitRepository();
    using parent = new TemporaryFolder();
    const commit = await remote.commit({ a: '1' });
    const url = remote.path;
    const { folder } = await Mirror.open({ name: NAME, url }, parent.path, NEVER);
    const objects = join(folder, 'objects');
    for (const file of await readdir(objects, { recursive: true })) {
      if (!/[0-9a-f]{30}/.test(file)) continue;
      await rm(join(objects, file));
      if (how === 'cut off') await writeFile(join(objects, file), '');
    }
    const mirror = await Mirror.open({ name: NAME, url }, parent.path, NEVER);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.find('main')).toMatchObject({ commit });
  });

  it('is served at once, however long the remote takes', async () => {
    using remote = new GitRepository();
    using parent = new TemporaryFolder();
    const commit = await remote.commit({ a: '1' });
    remote.git(['branch', '--move', 'trunk']);
    const url = remote.path;
    await Mirror.open({ name: NAME, url }, parent.path, NEVER);
    // A pipe instead of a file: whoever reads HEAD waits.
    const head = join(remote.gitDir, 'HEAD');
    await rm(head);
    execFileSync('mkfifo', [head]);
    const left = new AbortController();
    const mirror = await Mirror.open({ name: NAME, url }, parent.path, left.signal);
    expect(mirror.fetchingSince, 'the fetch goes on').toBeDefined();
    expect(mirror.table.find(commit)).toMatchObject({ commit });
    expect(mirror.defaultBranch).toBe('trunk');
    left.abort();
    await mirror.refresh(NEVER);
  });
});
