import { describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import { History } from '../../../src/mirror/history.ts';
import { Mirror } from '../../../src/mirror/mirror.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();

async function open(url: string, parent: string): Promise<Mirror> {
  return await Mirror.open({ name: NAME, url }, parent, NEVER);
}

describe('history', () => {
  it('is told newest first, with what a person wants to know', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const first = await remote.commit({ a: '1' }, 'First');
    const second = await remote.commit({ a: '2' }, 'Second <b>&\n\nA body\nof lines');
    const mirror = await open(remote.path, folder.path);
    const date = Date.parse('2026-01-02T03:04:05Z');
    expect(await new History(NEVER).last(mirror, second, 10)).toEqual([
      { id: second, parents: [first], author: 'Ada', date, subject: 'Second <b>&' },
      { id: first, parents: [], author: 'Ada', date, subject: 'First' },
    ]);
    expect(await new History(NEVER).last(mirror, second, 1)).toHaveLength(1);
  });

  it('is read once for all who ask, and again after a failure', async () => {
    let reads = 0;
    const read = async () => {
      reads += 1;
      if (reads === 1) throw new Error('git was killed');
      return await Promise.resolve(`${'1'.repeat(40)}\0\0Ada\u00001\0Subject\n`);
    };
    const history = new History(NEVER);
    const id = '1'.repeat(40) as CommitId;
    await expect(history.commit({ read }, id)).rejects.toThrow('git was killed');
    const all = await Promise.all(
      Array.from({ length: 20 }, async () => await history.commit({ read }, id)),
    );
    expect(all.every(({ subject }) => subject === 'Subject')).toBe(true);
    expect(reads).toBe(2);
  });

  it('goes by the id also where a branch is named like it', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const first = await remote.commit({ a: '1' }, 'First');
    const second = await remote.commit({ a: '2' }, 'Second');
    remote.git(['update-ref', `refs/heads/${first}`, second]);
    const mirror = await open(remote.path, folder.path);
    expect(await new History(NEVER).commit(mirror, first)).toMatchObject({
      id: first,
      subject: 'First',
    });
  });

  it('has both parents of a merge, and commits without a subject', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    const base = await remote.commit({ a: '1' });
    remote.git(['checkout', '--quiet', '-b', 'side']);
    const side = await remote.commit({ b: '1' });
    remote.git(['checkout', '--quiet', 'main']);
    const main = await remote.commit({ c: '1' });
    remote.git(['merge', '--quiet', '--no-ff', '--message', 'Merge', 'side']);
    remote.git(['commit', '--quiet', '--allow-empty', '--allow-empty-message', '--message', '']);
    const tip = remote.id('HEAD');
    const mirror = await open(remote.path, folder.path);
    const [empty, merge] = await new History(NEVER).last(mirror, tip, 2);
    expect(empty).toMatchObject({ subject: '' });
    expect(merge?.parents).toEqual([main, side]);
    expect(await new History(NEVER).last(mirror, base, 9)).toHaveLength(1);
  });
});
