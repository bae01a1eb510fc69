import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { expectQuestions, readText, readTopFile } from '../../../src/mirror/object-reader.ts';
import { GitRepository } from '../fixtures/git-repository.ts';
import { NEVER, until } from '../fixtures/until.ts';

const LIMIT = 1000;

/** The ids of processes that read objects of a repository. */
function gitFor({ gitDir }: GitRepository): number[] {
  const all = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return all.filter((pid) => commandOf(pid).includes(`${gitDir}\0cat-file\0`)).map(Number);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe.runIf(existsSync('/proc/self/cmdline'))('questions about small files of commits', () => {
  it('are answered by one git process, those that come together and those a moment later', async () => {
    using repository = new GitRepository();
    const files = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [`.f${index}`, `text ${index}\n`]),
    );
    const commit = await repository.commit(files);
    const blob = repository.git(['rev-parse', `${commit}:.f7`]);
    expectQuestions(repository.gitDir, commit);
    const [pid] = gitFor(repository);
    const read = Array.from({ length: 50 }, async (_, index) => {
      const found = await readTopFile(repository.gitDir, commit, `.f${index}`, LIMIT, NEVER);
      return found?.text;
    });
    expect(await Promise.all(read)).toEqual(Object.values(files));
    expect(await readText(repository.gitDir, blob, NEVER)).toBe('text 7\n');
    expect(gitFor(repository)).toEqual([pid]);
  });

  it('leave no process when none came for a while', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({ '.a': 'a' });
    await readTopFile(repository.gitDir, commit, '.a', LIMIT, NEVER);
    expect(gitFor(repository)).toHaveLength(1);
    await until('it is gone', () => gitFor(repository).length === 0, 5000);
  });

  it('go on where one asks for too much, for a folder, or for nothing that is there', async () => {
    using repository = new GitRepository();
    const large = 'x'.repeat(200_000);
    const commit = await repository.commit({ '.large': large, '.folder/a': 'a', '.small': 'ok' });
    const ask = async (name: `.${string}`) =>
      await readTopFile(repository.gitDir, commit, name, LIMIT, NEVER);
    const names = ['.large', '.small', '.folder', '.small', '.nothing', '.small'] as const;
    expect(await Promise.all(names.map(ask))).toEqual([
      { size: large.length, text: '' },
      { size: 2, text: 'ok' },
      undefined,
      { size: 2, text: 'ok' },
      undefined,
      { size: 2, text: 'ok' },
    ]);
  });

  it('are answered anew after the process was killed', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({ '.a': 'a' });
    const ask = async () => await readTopFile(repository.gitDir, commit, '.a', LIMIT, NEVER);
    await ask();
    for (const pid of gitFor(repository)) process.kill(pid, 'SIGKILL');
    await until('it is gone', () => gitFor(repository).length === 0);
    await sleep(10);
    expect(await ask()).toEqual({ size: 1, text: 'a' });
  });

  it('find what came into the repository since the process began', async () => {
    using repository = new GitRepository();
    const first = await repository.commit({ '.a': 'first' });
    await readTopFile(repository.gitDir, first, '.a', LIMIT, NEVER);
    const second = await repository.commit({ '.a': 'second' });
    repository.git(['gc', '--quiet', '--prune=now']);
    expect(await readTopFile(repository.gitDir, second, '.a', LIMIT, NEVER)).toMatchObject({
      text: 'second',
    });
  });

  it('are given up by who asked, and by nobody else', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({ '.a': 'a' });
    const gives = new AbortController();
    const given = readTopFile(repository.gitDir, commit, '.a', LIMIT, gives.signal);
    const other = readTopFile(repository.gitDir, commit, '.a', LIMIT, NEVER);
    gives.abort();
    await expect(given).rejects.toMatchObject({ name: 'AbortError' });
    expect(await other).toEqual({ size: 1, text: 'a' });
  });

  it('are answered of more repositories than processes are kept for', async () => {
    using stack = new DisposableStack();
    const repositories = Array.from({ length: 12 }, () => stack.use(new GitRepository()));
    const asked = repositories.map(async (one, index) => {
      const commit = await one.commit({ '.a': `of ${index}` });
      const [found] = await Promise.all(
        [1, 2].map(async () => await readTopFile(one.gitDir, commit, '.a', LIMIT, NEVER)),
      );
      return found?.text;
    });
    expect(await Promise.all(asked)).toEqual(repositories.map((_, index) => `of ${index}`));
    // Those that are ended take a moment to be gone; after a second all would be, by themselves.
    await until('no more are kept', () => repositories.flatMap(gitFor).length <= 8, 700);
  });
});
