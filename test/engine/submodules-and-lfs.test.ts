import { expect, test } from 'vitest';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { pointerTo } from '../unit/fixtures/lfs-server.ts';
import { fresh } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

const serving = (...steps: string[]) => ({
  Dockerfile: [
    'FROM busybox:latest',
    fresh('true'),
    'COPY . /www',
    ...steps,
    'EXPOSE 3000',
    'CMD ["busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]',
    '',
  ].join('\n'),
  'index.html': 'served\n',
});

test('a submodule that is not allowed is an empty folder, and log, page, failure and restart say how to fill it; allowed, it is in the build', async () => {
  using remote = new GitRepository();
  using repository = new GitRepository();
  using data = new TemporaryFolder();
  const inner = await remote.commit({ 'theme.css': 'body { color: teal }\n' });
  const add = async (files: Record<string, string>) => {
    const url = remote.path;
    const modules = `[submodule "theme"]\n\tpath = www/theme\n\turl = ${url}\n`;
    await repository.commit({ '.gitmodules': modules, ...files });
    repository.git(['update-index', '--add', '--cacheinfo', `160000,${inner},www/theme`]);
    repository.git(['commit', '--quiet', '--amend', '--allow-empty', '--message', 'Theme']);
    return repository.id('HEAD');
  };
  const commit = await add(serving());
  const same = await add({});
  const broken = await add(serving('RUN test -f /www/www/theme/theme.css'));
  const line = `"submodules: ['${remote.path.replace(/[^/]+$/, '')}']" in pool's configuration of this repository, a restart and a rebuild fill it.`;
  const note = `1 submodule is an empty folder: www/theme; ${line}`;
  const settings = { dataDir: data.path };
  {
    await using pool = await TestPool.open([repository.path], settings);
    expect((await pool.visit(commit)).text).toBe('served\n');
    expect((await pool.visit(commit, { path: '/www/theme/theme.css' })).status).toBe(404);
    expect((await pool.visit(commit, { path: '/_pool/log' })).text).toContain(`pool: ${note}`);
    await pool.visit(same);
    expect(pool.count('building')).toBe(1);
    for (const ref of [commit, same]) {
      expect((await pool.state(ref)).state.build?.['notes']).toEqual([note]);
      const shown = await pool.visit(ref, { path: '/_pool/', navigation: true });
      expect(shown.text).toContain('1 submodule is an empty folder: www/theme; ');
    }
    const { detail, next } = JSON.parse((await pool.visit(broken)).text) as Record<string, string>;
    expect(`${detail} ${next}`).toContain(note);
  }
  const repositories = [{ name: 'web', url: repository.path, submodules: [remote.path] }];
  await using pool = await TestPool.open([], { ...settings, repositories });
  const { status } = await pool.visit(broken, { path: '/www/theme/theme.css' });
  expect(status).toBe(200);
  expect((await pool.state(broken)).state.build?.['notes']).toBeUndefined();
});

test('files that Git LFS keeps are pointers in a build, and counted, unless the operator has them fetched', async () => {
  using repository = new GitRepository();
  using data = new TemporaryFolder();
  const commit = await repository.commit({ ...serving(), 'song.txt': pointerTo('la la la\n') });
  {
    await using pool = await TestPool.open([repository.path], { dataDir: data.path });
    expect((await pool.visit(commit, { path: '/song.txt' })).text).toBe(pointerTo('la la la\n'));
    const note = '1 file is a Git LFS pointer, and the build gets no more than that of 9 bytes:';
    expect((await pool.visit(commit, { path: '/_pool/log' })).text).toContain(`pool: ${note}`);
    const shown = await pool.visit(commit, { path: '/_pool/', navigation: true });
    expect(shown.text).toContain(note);
  }
  repository.git(['lfs', 'install', '--local', '--skip-repo']);
  repository.git(['lfs', 'clean'], { input: 'la la la\n' });
  const next = await repository.commit({});
  const repositories = [{ name: 'web', url: repository.path, lfs: true }];
  await using pool = await TestPool.open([], { dataDir: data.path, repositories });
  expect((await pool.visit(next, { path: '/song.txt' })).text).toBe('la la la\n');
  expect((await pool.state(next)).state.build?.['notes']).toEqual([
    '1 file comes from Git LFS, 9 bytes: song.txt.',
  ]);
});
