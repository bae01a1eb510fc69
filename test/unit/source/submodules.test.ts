import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { toFailure } from '../../../src/errors.ts';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import type { CommitSettings } from '../../../src/source/commit-settings.ts';
import { type ContextPlan, openContext, planContext } from '../../../src/source/context.ts';
import { recipeOf } from '../../../src/source/recipe.ts';
import { onceFetched, SubmoduleMirrors } from '../../../src/mirror/submodule-mirrors.ts';
import { SubmoduleFiller } from '../../../src/source/submodules.ts';
import { type File, GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import { LfsServer } from '../fixtures/lfs-server.ts';
import { TOKEN } from '../fixtures/remotes.ts';
import { unpack } from '../fixtures/unpack.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();
const DOCKERFILE = 'FROM registry.example/base\n';
const BY = { repository: 'shop', platform: 'linux/amd64', builder: 'buildkit' };

type Links = Record<string, { url?: string; commit: CommitId }>;

/** A commit with submodules: `.gitmodules`, and an entry for each that no work tree need hold. */
async function commitWith(
  repository: GitRepository,
  links: Links,
  files: Record<string, File> = { Dockerfile: DOCKERFILE },
): Promise<CommitId> {
  const modules = Object.entries(links).map(([path, { url }]) =>
    url === undefined ? '' : `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`,
  );
  await repository.commit({ '.gitmodules': modules.join(''), ...files });
  for (const [path, { commit }] of Object.entries(links)) {
    repository.git(['update-index', '--add', '--cacheinfo', `160000,${commit},${path}`]);
  }
  repository.git(['commit', '--quiet', '--amend', '--allow-empty', '--message', 'Submodules']);
  return repository.id('HEAD');
}

/** What an operator allowed, with a folder for mirrors. */
class Operator implements Disposable {
  readonly #folder = new TemporaryFolder();
  mirrors = new SubmoduleMirrors(this.#folder.path, NEVER);
  readonly #submodules: readonly string[];

  constructor(...submodules: string[]) {
    this.#submodules = submodules;
  }

  /** As after a restart of pool. */
  restart(): void {
    this.mirrors = new SubmoduleMirrors(this.#folder.path, NEVER);
  }

  async plan(
    { path, gitDir }: GitRepository,
    commit: CommitId,
    settings: CommitSettings = {},
  ): Promise<ContextPlan> {
    const { mirrors } = this;
    const known = { repository: { name: NAME, url: path }, lfs: false, mirrors };
    return await onceFetched(
      async (since) =>
        await planContext(gitDir, commit, settings, NEVER, {
          ...known,
          submodules: this.#submodules,
          since,
        }),
      NEVER,
    );
  }

  async files(...what: Parameters<Operator['plan']>): Promise<Record<string, string>> {
    return await unpack((await openContext(await this.plan(...what), 0, NEVER)).stream);
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

describe('a submodule that nobody allowed', () => {
  it('is an empty folder, as in a plain clone, and the line that fills it is told', async () => {
    using repository = new GitRepository();
    using operator = new Operator('https://git.example/organ/');
    const commit = await repository.commit({ a: '' });
    const url = 'https://git.example/org/lib.git';
    const links = { 'libs/one': { url, commit }, 'libs/two': { url: '../two', commit } };
    const top = await commitWith(repository, links);
    const { notes } = await operator.plan(repository, top);
    const beside = repository.path.replace(/[^/]+$/, '');
    expect(notes).toEqual([
      `2 submodules are empty folders: libs/one, libs/two; "submodules: ['https://git.example/org/', '${beside}']" in pool's configuration of this repository, a restart and a rebuild fill them.`,
    ]);
    expect(await operator.files(repository, top)).toMatchObject({
      Dockerfile: DOCKERFILE,
      libs: '/',
      'libs/one': '/',
      'libs/two': '/',
    });
  });

  it('is refused where the Dockerfile or the context lies in it', async () => {
    using repository = new GitRepository();
    using operator = new Operator();
    const commit = await repository.commit({ a: '' });
    const url = 'https://git.example/org/app.git';
    const top = await commitWith(repository, { app: { url, commit } });
    for (const settings of [{ context: 'app' }, { context: 'app/web' }, { dockerfile: 'app/D' }]) {
      await expect(operator.plan(repository, top, settings)).rejects.toMatchObject({
        code: 'submodules',
        message: 'What is to be built lies in app, a submodule that pool does not fetch.',
        next: expect.stringContaining(`"submodules: ['https://git.example/org/']"`) as string,
      });
    }
  });

  it('is not even told where .dockerignore leaves it out', async () => {
    using repository = new GitRepository();
    using operator = new Operator();
    const commit = await repository.commit({ a: '' });
    const links = { lib: { url: '../lib', commit } };
    const files = { Dockerfile: DOCKERFILE, '.dockerignore': 'lib\n.gitmodules\n' };
    const top = await commitWith(repository, links, files);
    expect((await operator.plan(repository, top)).notes).toEqual([]);
    expect(Object.keys(await operator.files(repository, top))).not.toContain('lib');
  });

  it.each([
    ['a command', 'ext::sh -c touch% PWNED'],
    ['an option', '--upload-pack=touch PWNED'],
    ['another scheme', 'http://git.example/lib'],
    ['a file of this machine by URL', 'file:///etc'],
    ['a name that hides the host', 'https://git.example@evil.example/lib'],
    ['a way out of what is allowed', 'https://git.example/org/../../lib'],
    ['nothing', undefined],
  ])('may be named by %s, and is an empty folder', async (_, url) => {
    using repository = new GitRepository();
    using operator = new Operator('https://git.example/org', repository.path);
    const commit = await repository.commit({ a: '' });
    const link = url === undefined ? { commit } : { commit, url: JSON.stringify(url) };
    const top = await commitWith(repository, { lib: link });
    const { notes } = await operator.plan(repository, top);
    expect(notes).toEqual([
      '1 submodule is an empty folder: lib; .gitmodules names no remote for it that pool could fetch.',
    ]);
  });

  it('and a .gitmodules that includes a file of this machine, or cannot be read, names nothing', async () => {
    using repository = new GitRepository();
    using remote = new GitRepository();
    using operator = new Operator(remote.path);
    const commit = await remote.commit({ secret: 's' });
    const include = join(repository.gitDir, 'included');
    await writeFile(include, `[submodule "lib"]\n\tpath = lib\n\turl = ${remote.path}\n`);
    for (const text of [`[include]\n\tpath = ${include}\n`, '[submodule "lib\n', '\0\xff']) {
      const top = await commitWith(
        repository,
        { lib: { commit } },
        { Dockerfile: DOCKERFILE, '.gitmodules': text },
      );
      expect((await operator.plan(repository, top)).notes[0]).toContain('names no remote');
    }
  });
});

describe('a submodule that is allowed', () => {
  it('is filled, and so is one inside of it; .dockerignore holds in both', async () => {
    using inner = new GitRepository();
    using middle = new GitRepository();
    using repository = new GitRepository();
    using operator = new Operator(inner.path, middle.path);
    const innermost = await inner.commit({ 'deep.txt': 'deep', 'notes.md': 'n', Dockerfile: 'no' });
    const links = { in: { url: inner.path, commit: innermost } };
    const commit = await commitWith(middle, links, {
      'bin/run': { run: '#!/bin/sh\n' },
      link: { link: '../../../etc/passwd' },
    });
    const top = await commitWith(
      repository,
      { 'libs/middle': { url: middle.path, commit } },
      { Dockerfile: DOCKERFILE, '.dockerignore': '**/*.md\n**/.gitmodules\n', z: 'last' },
    );
    expect((await operator.plan(repository, top)).notes).toEqual([]);
    expect(await operator.files(repository, top)).toEqual({
      '.dockerignore': '**/*.md\n**/.gitmodules\n',
      Dockerfile: DOCKERFILE,
      libs: '/',
      'libs/middle': '/',
      'libs/middle/bin': '/',
      'libs/middle/bin/run': '#!/bin/sh\n (run)',
      'libs/middle/in': '/',
      'libs/middle/in/Dockerfile': 'no',
      'libs/middle/in/deep.txt': 'deep',
      'libs/middle/link': '-> ../../../etc/passwd',
      z: 'last',
    });
  });

  it('may be what is built', async () => {
    using remote = new GitRepository();
    using repository = new GitRepository();
    using operator = new Operator(remote.path);
    const commit = await remote.commit({ 'web/Dockerfile': DOCKERFILE, 'web/a': 'a', b: 'b' });
    const top = await commitWith(repository, { app: { url: remote.path, commit } }, { c: 'c' });
    const settings = { context: 'app/web' };
    const files = { Dockerfile: DOCKERFILE, a: 'a' };
    expect(await operator.files(repository, top, settings)).toEqual(files);
    const outside = await operator.plan(repository, top, { dockerfile: 'app/web/Dockerfile' });
    expect(outside.base).toBe('registry.example/base');
  });

  it('is part of the recipe by its content, and not by its URL', async () => {
    using remote = new GitRepository();
    using moved = new GitRepository();
    using repository = new GitRepository();
    using operator = new Operator(remote.path, moved.path);
    const one = await remote.commit({ a: '1' });
    const two = await remote.commit({ a: '2' });
    const same = await remote.commit({ a: '1' });
    moved.git(['fetch', '--quiet', remote.path, '+refs/heads/*:refs/heads/copy/*']);
    const files = { Dockerfile: DOCKERFILE, '.dockerignore': '.gitmodules\n' };
    const digests: string[] = [];
    for (const [url, commit] of [
      [remote.path, one],
      [remote.path, two],
      [remote.path, same],
      [moved.path, one],
    ] as const) {
      const top = await commitWith(repository, { lib: { url, commit } }, files);
      digests.push(recipeOf(await operator.plan(repository, top), BY).digest);
    }
    const [first, changed] = digests;
    expect(changed).not.toBe(first);
    expect(digests).toEqual([first, changed, first, first]);
  });

  it('is fetched only when the commit is missing: one mirror serves all who use it', async () => {
    using remote = new GitRepository();
    using repository = new GitRepository();
    using other = new GitRepository();
    using operator = new Operator(remote.path);
    const commit = await remote.commit({ a: 'a' });
    const links = { lib: { url: remote.path, commit } };
    const [top, tops] = [await commitWith(repository, links), await commitWith(other, links)];
    await operator.plan(repository, top);
    const away = `${remote.path}-away`;
    renameSync(remote.path, away);
    try {
      expect(await operator.files(other, tops)).toMatchObject({ 'lib/a': 'a' });
      operator.restart();
      expect(await operator.files(repository, top)).toMatchObject({ 'lib/a': 'a' });
    } finally {
      renameSync(away, remote.path);
    }
    const later = await remote.commit({ a: 'later' });
    operator.restart();
    await operator.plan(repository, top);
    const folder = operator.mirrors.open({ name: NAME, url: remote.path }, commit, 0);
    expect(remote.git(['--git-dir', folder, 'rev-parse', 'main'])).toBe(commit);
    const next = await commitWith(repository, { lib: { url: remote.path, commit: later } });
    expect(await operator.files(repository, next)).toMatchObject({ 'lib/a': 'later' });
  });

  it('fails in words where no branch or tag of its remote reaches the commit, until one does', async () => {
    using remote = new GitRepository();
    using repository = new GitRepository();
    using operator = new Operator(remote.path);
    await remote.commit({ a: 'public' });
    const hidden = await remote.commit({ a: 'secret' });
    remote.git(['update-ref', 'refs/pull/1/head', hidden]);
    remote.git(['reset', '--quiet', '--hard', 'HEAD~1']);
    const top = await commitWith(repository, { lib: { url: remote.path, commit: hidden } });
    await expect(operator.plan(repository, top)).rejects.toMatchObject({
      code: 'submodules',
      message: `The submodule ${remote.path} has no branch or tag that reaches ${hidden.slice(0, 12)}, the commit that is wanted of it.`,
    });
    remote.git(['tag', 'v1', hidden]);
    expect(await operator.files(repository, top)).toMatchObject({ 'lib/a': 'secret' });
  });

  it('fails in words where its remote is away, and the next visit tries again', async () => {
    using repository = new GitRepository();
    using folder = new TemporaryFolder();
    using operator = new Operator(folder.path);
    const commit = await repository.commit({ a: '' });
    const url = join(folder.path, 'gone');
    const top = await commitWith(repository, { lib: { url, commit } });
    const failed = await operator.plan(repository, top).catch(toFailure);
    expect(failed).toMatchObject({ code: 'repository-unreadable', ours: true });
    expect(existsSync(url)).toBe(false);
    renameSync(repository.path, url);
    const moved = { path: url, gitDir: join(url, '.git') } as GitRepository;
    expect((await operator.plan(moved, top)).notes).toEqual([]);
    renameSync(url, repository.path);
  });

  it('ends in words where one hangs below the other too deep', async () => {
    using repository = new GitRepository();
    using operator = new Operator(repository.path);
    const depths: CommitId[] = [await repository.commit({ Dockerfile: DOCKERFILE })];
    for (const commit of depths) {
      if (depths.length > 9) break;
      depths.push(await commitWith(repository, { again: { url: repository.path, commit } }));
    }
    const [, , , , , , , , eight = '', nine = ''] = depths as string[];
    expect((await operator.plan(repository, eight as CommitId)).notes).toEqual([]);
    await expect(operator.plan(repository, nine as CommitId)).rejects.toMatchObject({
      code: 'context-refused',
      message: 'This commit is not built, for it has submodules more than 8 deep.',
    });
  });

  it('ends in words where there are more than a hundred', async () => {
    using repository = new GitRepository();
    const repositoryOf = { name: NAME, url: repository.path };
    const paths = Array.from({ length: 101 }, (_, index) => `lib/${index}`);
    const modules = paths.map(
      (path) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${repository.path}\n`,
    );
    const commit = await repository.commit({ '.gitmodules': modules.join('') });
    const top = { gitDir: repository.gitDir, commit, repository: repositoryOf, at: '', depth: 0 };
    const mirrors = { open: () => repository.gitDir };
    const entries = paths.map((path) => ({ mode: '160000', object: commit, size: 0, path }));
    const known = { submodules: [repository.path], lfs: false, mirrors, since: 0 };
    const filler = new SubmoduleFiller({ ...known, repository: repositoryOf }, NEVER);
    await expect(filler.fill(entries, top, () => true)).rejects.toMatchObject({
      code: 'context-refused',
      message: 'This commit is not built, for it has more than 100 submodules.',
      next: expect.stringContaining('.dockerignore') as string,
    });
    const fewer = new SubmoduleFiller({ ...known, repository: repositoryOf }, NEVER);
    expect(await fewer.fill(entries.slice(1), top, () => true)).toHaveLength(200);
  }, 20_000);

  it('ends in words where its remote would be one copy too many, whoever else asks at once', async () => {
    using repository = new GitRepository();
    using folder = new TemporaryFolder();
    const commit = await repository.commit({ a: 'a' });
    for (let made = 0; made < 198; made++) mkdirSync(join(folder.path, `submodule.${made}.git`));
    const mirrors = new SubmoduleMirrors(folder.path, NEVER);
    const open = async (path: string) => {
      const url = `${repository.path}/${path}`;
      return await onceFetched(
        async (since) => mirrors.open({ name: NAME, url }, commit, since),
        NEVER,
      );
    };
    const paths = ['.git', '.', './.git', './.'];
    const asked = await Promise.allSettled(paths.map(open));
    const refused = asked.filter(({ status }) => status === 'rejected');
    expect(refused).toMatchObject(
      Array.from({ length: 2 }, () => ({
        reason: {
          code: 'submodules',
          message: expect.stringContaining('at most 200 remotes of submodules') as string,
          next: expect.stringContaining(`removes some or all of ${folder.path}`) as string,
        },
      })),
    );
    expect(readdirSync(folder.path)).toHaveLength(200);
    const copied = paths.find((_, index) => asked[index]?.status === 'fulfilled') ?? '';
    expect(await open(copied), 'those that are there serve on').toContain('submodule.');
  });

  it('is fetched with what its parent has, from the same server and from no other', async () => {
    using folder = new TemporaryFolder();
    await using server = await LfsServer.open();
    await using other = await LfsServer.open();
    const tokenFile = join(folder.path, 'token');
    const caFile = join(folder.path, 'both.pem');
    await writeFile(tokenFile, TOKEN);
    await writeFile(caFile, readFileSync(server.caFile) + readFileSync(other.caFile, 'utf8'));
    const mirrors = new SubmoduleMirrors(folder.path, NEVER);
    const plan = async (url: string, commit: CommitId) => {
      using parent = new GitRepository();
      const top = await commitWith(parent, { lib: { url, commit } });
      const repository = { name: NAME, url: `${server.url}/app`, access: { tokenFile, caFile } };
      const known = { repository, lfs: false, mirrors, submodules: [url] };
      const attempt = async (since: number) =>
        await planContext(parent.gitDir, top, {}, NEVER, { ...known, since });
      return await onceFetched(attempt, NEVER);
    };
    const commit = await server.repository.commit({ a: 'a' });
    const { entries } = await plan(server.url, commit);
    expect(entries.map(({ path }) => path)).toContain('lib/a');
    const beyond = await other.repository.commit({ b: 'b' });
    await expect(plan(other.url, beyond)).rejects.toThrow(
      `The submodule ${other.url} cannot be read: the certificate of ${new URL(other.url).host} is not one that this machine believes; add that of its authority to those that this machine believes, for "caFile" does not count`,
    );
    // Certificates that all git processes of pool believe: only the token is missing.
    const { GIT_SSL_CAINFO: before } = process.env;
    process.env['GIT_SSL_CAINFO'] = caFile;
    const asked = plan(other.url, beyond);
    await expect(asked).rejects.toMatchObject({
      code: 'repository-unreadable',
      message: expect.stringContaining('let it be read without one, for a token does not count'),
    });
    if (before === undefined) delete process.env['GIT_SSL_CAINFO'];
    else process.env['GIT_SSL_CAINFO'] = before;
    expect([...other.proofs]).toEqual([undefined]);
  });

  it('holds nobody who gives up waiting for its remote', async () => {
    using folder = new TemporaryFolder();
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/lib`;
    const closing = new AbortController();
    const mirrors = new SubmoduleMirrors(folder.path, closing.signal);
    const commit = '0'.repeat(40) as CommitId;
    const attempt = async () => mirrors.open({ name: NAME, url }, commit, 0);
    const gone = new AbortController();
    const waiting = onceFetched(attempt, gone.signal);
    await once(silent, 'connection');
    gone.abort();
    await expect(waiting).rejects.toThrow(/abort/);
    closing.abort();
    await expect(onceFetched(attempt, NEVER)).rejects.toThrow(/cannot be read/);
    silent.close();
  });
});
