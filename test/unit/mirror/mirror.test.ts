import { mkdir, rename, writeFile } from 'node:fs/promises';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commitLabel, toRepositoryName } from '../../../src/address/label.ts';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import { History } from '../../../src/mirror/history.ts';
import { Mirror } from '../../../src/mirror/mirror.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import { planAlone } from '../fixtures/plan-alone.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();

async function open(url: string, parent: string): Promise<Mirror> {
  return await Mirror.open({ name: NAME, url }, parent, NEVER);
}

describe('a mirror knows', () => {
  it('branches, tags and every commit that they reach', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const first = await remote.commit({ a: '1' });
    const second = await remote.commit({ a: '2' });
    remote.git(['tag', 'v1', first]);
    remote.git(['branch', 'feature/x', first]);

    const mirror = await open(remote.path, folder.path);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.defaultBranch).toBe('main');
    expect(mirror.table.refs.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'branch feature/x',
      'branch main',
      'tag v1',
    ]);
    expect(mirror.table.find('main')).toMatchObject({ commit: second });
    expect(mirror.table.find('v1')).toMatchObject({ commit: first });
    expect(mirror.table.find(first)).toMatchObject({ commit: first, fixed: true });
    expect(mirror.fetchedAt).toBeGreaterThan(Date.now() - 60_000);
  });

  it('annotated tags as their commits, and tags of blobs and trees not at all', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const commit = await remote.commit({ a: '1' });
    remote.git(['tag', '--annotate', '--message', 'Release', 'v1']);
    remote.git(['tag', '--annotate', '--message', 'Again', 'again', 'v1']);
    remote.git(['tag', 'blob', remote.blob('hello')]);
    remote.git(['tag', 'tree', 'HEAD^{tree}']);

    const { table } = await open(remote.path, folder.path);
    expect(table.find('v1')).toMatchObject({ commit, rule: 'tag v1' });
    expect(table.find('blob').kind).toBe('unknown');
    expect(table.find('tree').kind).toBe('unknown');
    expect(table.commits.size).toBe(1);
  });

  it('a commit that only a tag reaches', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const kept = await remote.commit({ a: '1' });
    remote.git(['tag', 'kept']);
    remote.git(['checkout', '--quiet', '--orphan', 'other']);
    await remote.commit({ b: '1' });
    remote.git(['branch', '--delete', '--force', 'main']);
    const { table } = await open(remote.path, folder.path);
    expect(table.find(kept)).toMatchObject({ commit: kept });
  });

  it('nothing that no branch or tag reaches', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    await remote.commit({ a: '1' });
    const hidden = await remote.commit({ a: 'secret' });
    remote.git(['update-ref', 'refs/pull/1/head', hidden]);
    remote.git(['reset', '--quiet', '--hard', 'HEAD~1']);
    const mirror = await open(remote.path, folder.path);
    expect(mirror.table.find(hidden).kind).toBe('unknown');
    expect(mirror.table.refs).toHaveLength(1);
  });

  it('an empty repository as one without a commit', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const mirror = await open(remote.path, folder.path);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.refs).toEqual([]);
    expect(mirror.table.commits.size).toBe(0);

    const commit = await remote.commit({ a: '1' });
    await mirror.refresh(NEVER);
    expect(mirror.table.find('main')).toMatchObject({ commit });
  });
});

it('the refs of a first copy are one file, so that many cost little to look at again', async () => {
  using remote = new GitRepository();
  using folder = new TemporaryFolder();
  await remote.commit({ a: '1' });
  remote.git(['branch', 'feature/x']);
  const { folder: mirror } = await open(remote.path, folder.path);
  expect(readFileSync(join(mirror, 'packed-refs'), 'utf8')).toContain('refs/heads/feature/x');
  expect(existsSync(join(mirror, 'refs/heads/feature/x'))).toBe(false);
});

describe('a mirror follows', () => {
  it('a branch that was forced elsewhere', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    await remote.commit({ a: '1' });
    const lost = await remote.commit({ a: '2' });
    const mirror = await open(remote.path, folder.path);
    remote.git(['reset', '--quiet', '--hard', 'HEAD~1']);
    const forced = await remote.commit({ a: '3' });

    await mirror.refresh(NEVER);
    expect(mirror.table.find('main')).toMatchObject({ commit: forced });
    expect(mirror.table.find(lost).kind).toBe('unknown');
  });

  it('a branch and a tag that were deleted', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    await remote.commit({ a: '1' });
    remote.git(['branch', 'old']);
    remote.git(['tag', 'v1']);
    const mirror = await open(remote.path, folder.path);
    remote.git(['branch', '--delete', '--force', 'old']);
    remote.git(['tag', '--delete', 'v1']);

    await mirror.refresh(NEVER);
    expect(mirror.table.refs.map(({ name }) => name)).toEqual(['main']);
  });

  it('a branch that made room for a folder of its name', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const commit = await remote.commit({ a: '1' });
    remote.git(['branch', 'feature']);
    const mirror = await open(remote.path, folder.path);
    remote.git(['branch', '--move', 'feature', 'feature/one']);

    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.find('feature-one')).toMatchObject({ commit });
  });

  it('a tag that was moved', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    await remote.commit({ a: '1' });
    remote.git(['tag', 'latest']);
    const mirror = await open(remote.path, folder.path);
    const commit = await remote.commit({ a: '2' });
    remote.git(['tag', '--force', 'latest']);

    await mirror.refresh(NEVER);
    expect(mirror.table.find('latest')).toMatchObject({ commit });
  });
});

const UNREAD = { copied: false, table: { refs: [] }, problem: expect.any(String) };

describe('a remote that is gone', () => {
  it('is served from the mirror, with the problem said', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const commit = await remote.commit({ a: '1' });
    const mirror = await open(remote.path, folder.path);
    await rename(remote.path, `${remote.path}-away`);

    await mirror.refresh(NEVER);
    expect(mirror.problem).toMatch(/does not appear to be a git repository|No such file/);
    expect(mirror.table.find('main')).toMatchObject({ commit });

    const reopened = await open(remote.path, folder.path);
    await reopened.refresh(NEVER);
    expect(reopened.problem).toBeDefined();
    expect(reopened.table.find('main')).toMatchObject({ commit });

    await rename(`${remote.path}-away`, remote.path);
    await reopened.refresh(NEVER);
    expect(reopened.problem).toBeUndefined();
  });

  it('never lends its commits to another URL under the same name', async () => {
    using old = new GitRepository();
    using other = new GitRepository();
    using folder = new TemporaryFolder();
    const before = await old.commit({ a: 'old' });
    const after = await other.commit({ a: 'other' });
    await open(old.path, folder.path);

    expect(await open(join(folder.path, 'nothing'), folder.path)).toMatchObject(UNREAD);
    const mirror = await open(other.path, folder.path);
    expect(mirror.table.find('main')).toMatchObject({ commit: after });
    expect(mirror.table.find(before).kind).toBe('unknown');
  });

  it('stays unread where its mirror was opened for another URL since', async () => {
    using one = new GitRepository();
    using folder = new TemporaryFolder();
    await one.commit({ a: 'one' });
    await open(one.path, folder.path);
    // From here on nobody knows whose commits the mirror has, until a fetch has ended.
    expect(await open(`${one.path}-other`, folder.path)).toMatchObject(UNREAD);
    await rename(one.path, `${one.path}-away`);
    expect(await open(one.path, folder.path)).toMatchObject(UNREAD);
    await rename(`${one.path}-away`, one.path);
  });
});

describe('a repository of SHA-256 ids', () => {
  it('is mirrored as such, and its commits are found by 63 digits and named by them', async () => {
    using remote = new GitRepository('sha256');
    using folder = new TemporaryFolder();
    await remote.commit({ Dockerfile: 'FROM x\n' }, 'First');
    remote.git(['tag', 'v1']);
    const tip = await remote.commit({ 'a/b': '1' }, 'Second');
    expect(tip).toHaveLength(64);
    await open(remote.path, folder.path);
    // What was read once is read again by the next start.
    const mirror = await open(remote.path, folder.path);
    expect(mirror.problem).toBeUndefined();
    const label = commitLabel(tip);
    expect(label).toHaveLength(63);
    expect(mirror.table.find(label)).toMatchObject({ kind: 'commit', commit: tip });
    expect(mirror.table.find(tip.slice(0, 9))).toMatchObject({ kind: 'commit', commit: tip });
    expect(mirror.table.find('v1')).toMatchObject({ kind: 'commit' });
    const [second, first] = await new History(NEVER).last(mirror, tip, 2);
    expect(second).toMatchObject({ id: tip, subject: 'Second', parents: [first?.id] });
    const { entries } = await planAlone(mirror.folder, tip, {}, NEVER);
    expect(entries.map(({ path }) => path)).toEqual(['Dockerfile', 'a', 'a/b']);
  });

  it('may be empty at first, and may take the place of one with shorter ids', async () => {
    using remote = new GitRepository('sha256');
    using folder = new TemporaryFolder();
    const mirror = await open(remote.path, folder.path);
    expect(mirror).toMatchObject({ problem: undefined, table: { refs: [] } });
    const commit = await remote.commit({ a: '1' });
    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.find('main')).toMatchObject({ commit });

    using shorter = new GitRepository();
    const other = await shorter.commit({ a: '1' });
    await rename(remote.gitDir, `${remote.gitDir}-away`);
    await rename(shorter.gitDir, remote.gitDir);
    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.find('main')).toMatchObject({ commit: other });
    expect(mirror.table.find(commit).kind).toBe('unknown');
  });
});

it('names that are not ASCII reach the table, the history and the context as they are', async () => {
  using remote = new GitRepository();
  using folder = new TemporaryFolder();
  remote.git(['config', 'user.name', 'Zoë Grünwald']);
  remote.git(['checkout', '--quiet', '-b', 'größe/日本']);
  await remote.commit({ Dockerfile: 'FROM x\n', 'größe/日本.txt': '1' }, 'Größe');
  remote.git(['commit', '--quiet', '--amend', '--author=Zoë 日本 <z@example.org>', '--no-edit']);
  const commit = remote.id('HEAD');
  const mirror = await open(remote.path, folder.path);
  const [ref] = mirror.table.refs;
  expect(ref).toMatchObject({ name: 'größe/日本', commit });
  expect(mirror.table.find(ref?.slug ?? '')).toMatchObject({ commit });
  expect(mirror.defaultBranch).toBe('größe/日本');
  const [summary] = await new History(NEVER).last(mirror, commit, 1);
  expect(summary).toMatchObject({ author: 'Zoë 日本', subject: 'Größe' });
  const { entries } = await planAlone(mirror.folder, commit, {}, NEVER);
  expect(entries.map(({ path }) => path)).toContain('größe/日本.txt');
});

it('a shallow remote is served with the commits that it has', async () => {
  using remote = new GitRepository();
  await remote.commit({ a: '1' });
  const tip = await remote.commit({ a: '2' });
  using folder = new TemporaryFolder();
  const shallow = `${folder.path}/shallow`;
  remote.git(['clone', '--quiet', '--depth=1', `file://${remote.path}`, shallow]);
  const mirror = await open(shallow, folder.path);
  expect(mirror.table.find('main')).toMatchObject({ kind: 'commit', commit: tip });
  expect(mirror.table.commits.size).toBe(1);
});

it('a commit of a far future, and texts that would steer a terminal, are told tamely', async () => {
  using remote = new GitRepository();
  const tree = remote.git(['write-tree']);
  const text = `tree ${tree}\nauthor A\u202Eda <a@example.org> 99999999999999 +0000\ncommitter Ada <a@example.org> 99999999999999 +0000\n\nred \u001B[31m subject\n`;
  const id = remote.git(['hash-object', '-w', '-t', 'commit', '--literally', '--stdin'], {
    input: text,
  });
  remote.git(['update-ref', 'refs/heads/far', id]);
  using folder = new TemporaryFolder();
  const mirror = await open(remote.path, folder.path);
  const [commit] = await new History(NEVER).last(mirror, id as CommitId, 1);
  expect(commit).toMatchObject({ author: 'Ada', subject: 'red  subject' });
  expect(new Date(commit?.date ?? NaN).getUTCFullYear()).toBe(2242);
});

it('all who ask for a refresh meanwhile share one fetch', async () => {
  using remote = new GitRepository();
  using folder = new TemporaryFolder();
  await remote.commit({ a: '1' });
  const mirror = await open(remote.path, folder.path);
  const one = mirror.refresh(NEVER);
  expect(mirror.refresh(NEVER)).toBe(one);
  await one;
  const next = mirror.refresh(NEVER);
  expect(next).not.toBe(one);
  await next;
});

it.each(['fetch', 'rev-list', 'for-each-ref', 'ls-remote'])(
  'a git %s that the system ends, as for want of memory, is a fetch that failed',
  async (command) => {
    using remote = new GitRepository();
    using parent = new TemporaryFolder();
    using bin = new TemporaryFolder();
    const first = await remote.commit({ a: '1' });
    const mirror = await open(remote.path, parent.path);
    await remote.commit({ a: '2' });
    const { PATH: path = '' } = process.env;
    const killed = `#!/bin/sh\n[ "$1" != ${command} ] || kill -9 $$\nPATH='${path}' exec git "$@"\n`;
    await writeFile(join(bin.path, 'git'), killed, { mode: 0o755 });
    try {
      process.env['PATH'] = `${bin.path}:${path}`;
      await mirror.refresh(NEVER);
    } finally {
      process.env['PATH'] = path;
    }
    expect(mirror.problem).toBe('git was killed, most likely for want of memory');
    expect(mirror.table.find('main')).toMatchObject({ commit: first });
    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeUndefined();
  },
);

it('no hook of the mirror and no command of a repository is run', async () => {
  using remote = new GitRepository();
  using folder = new TemporaryFolder();
  await remote.commit({ a: '1' });
  const mirror = await open(remote.path, folder.path);
  const trace = join(folder.path, 'ran');
  const script = `#!/bin/sh\ntouch ${trace}\n`;
  for (const hook of ['reference-transaction', 'post-update', 'pre-auto-gc']) {
    const path = join(mirror.folder, 'hooks', hook);
    await mkdir(join(mirror.folder, 'hooks'), { recursive: true });
    await writeFile(path, script);
    chmodSync(path, 0o755);
  }
  await remote.commit({ a: '2' });
  await mirror.refresh(NEVER);
  expect(mirror.problem).toBeUndefined();
  expect(existsSync(trace)).toBe(false);
});
