import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { toFailure } from '../../../src/errors.ts';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import { type ContextPlan, openContext, planContext } from '../../../src/source/context.ts';
import { Mirror } from '../../../src/mirror/mirror.ts';
import { recipeOf } from '../../../src/source/recipe.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import { LfsServer, pointerTo } from '../fixtures/lfs-server.ts';
import { sshServer, TOKEN } from '../fixtures/remotes.ts';
import { unpack } from '../fixtures/unpack.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();
const DOCKERFILE = 'FROM registry.example/base\n';
const BY = { repository: 'shop', platform: 'linux/amd64', builder: 'buildkit' };
const NONE = { submodules: [], since: 0, mirrors: { open: () => expect.fail() } };

async function plan(
  { gitDir, path }: { gitDir: string; path: string },
  commit: CommitId,
  lfs: boolean,
): Promise<ContextPlan> {
  const repository = { name: NAME, url: path };
  return await planContext(gitDir, commit, {}, NEVER, { ...NONE, repository, lfs });
}

async function files(...what: Parameters<typeof plan>): Promise<Record<string, string>> {
  return await unpack((await openContext(await plan(...what), 0, NEVER)).stream);
}

async function keep(repository: GitRepository, content: string): Promise<string> {
  const pointer = pointerTo(content);
  const id = /sha256:(.*)/.exec(pointer)?.[1] ?? '';
  const path = join(repository.gitDir, 'lfs/objects', id.slice(0, 2), id.slice(2, 4), id);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

beforeAll(() => {
  try {
    execFileSync('git', ['lfs', 'version'], { stdio: 'pipe' });
  } catch {
    expect.fail('git-lfs is missing: install the package git-lfs');
  }
});

describe('pointers of Git LFS', () => {
  it('are counted and told, and the build gets them as they are', async () => {
    using repository = new GitRepository();
    const pointers = { 'a.bin': pointerTo('film'), 'sub/b.bin': pointerTo('song'), c: '' };
    const commit = await repository.commit({ Dockerfile: DOCKERFILE, ...pointers });
    expect((await plan(repository, commit, false)).notes).toEqual([
      `2 files are Git LFS pointers, and the build gets no more than that of 8 bytes: a.bin, sub/b.bin; "lfs: true" in pool's configuration of this repository, a restart and a rebuild fetch them.`,
    ]);
    expect(await files(repository, commit, false)).toMatchObject(pointers);
  });

  it.each([
    ['a file that only tells of LFS', `# ${pointerTo('film')}`],
    ['one with more after it', `${pointerTo('film')}more\n`],
    ['one without its last newline', pointerTo('film').trimEnd()],
    ['carriage returns', pointerTo('film').replaceAll('\n', '\r\n')],
    ['another version', pointerTo('film').replace('v1', 'v2')],
    ['an id in capitals', pointerTo('film').toUpperCase()],
    ['a size that is none', pointerTo('film').replace('size 4', 'size -4')],
    ['a size beyond numbers', pointerTo('film').replace('size 4', `size ${'9'.repeat(16)}`)],
  ])('are none: %s', async (_, text) => {
    using repository = new GitRepository();
    const commit = await repository.commit({ Dockerfile: DOCKERFILE, 'a.bin': text });
    const planned = await plan(repository, commit, true);
    expect([planned.notes, planned.lfs.size]).toEqual([[], 0]);
  });

  it('are found wherever the pipe from git cuts them', async () => {
    using repository = new GitRepository();
    const pointers = Object.fromEntries(
      Array.from({ length: 600 }, (_, index) => [`${index}.bin`, pointerTo(`film ${index}`)]),
    );
    const commit = await repository.commit({ Dockerfile: DOCKERFILE, ...pointers });
    expect((await plan(repository, commit, true)).lfs.size).toBe(600);
  });
});

describe('of a repository on this machine, what Git LFS keeps', () => {
  it('is in the build, as git-lfs itself put it there', async () => {
    using repository = new GitRepository();
    const content = 'film\0'.repeat(100_000);
    repository.git(['lfs', 'install', '--local', '--skip-repo']);
    const commit = await repository.commit({
      Dockerfile: DOCKERFILE,
      '.gitattributes': '*.bin filter=lfs -text\n',
      'a.bin': content,
      'b.bin': { run: content },
    });
    expect(repository.git(['show', 'HEAD:a.bin'])).toContain('oid sha256:');
    const planned = await plan(repository, commit, true);
    expect(planned.notes).toEqual(['2 files come from Git LFS, 1000000 bytes: a.bin, b.bin.']);
    const { 'a.bin': a, 'b.bin': b } = await files(repository, commit, true);
    expect([a === content, b === `${content} (run)`]).toEqual([true, true]);
  });

  it('parts the recipe from that of the pointers', async () => {
    using repository = new GitRepository();
    const digest = async (commit: CommitId, lfs: boolean) =>
      recipeOf(await plan(repository, commit, lfs), BY).digest;
    const plain = await repository.commit({ Dockerfile: DOCKERFILE });
    expect(await digest(plain, true)).toBe(await digest(plain, false));
    const pointed = await repository.commit({ 'a.bin': pointerTo('film') });
    expect(await digest(pointed, true)).not.toBe(await digest(pointed, false));
  });

  it('is asked of a submodule where the submodule is from', async () => {
    using library = new GitRepository();
    using repository = new GitRepository();
    await keep(library, 'film');
    const inner = await library.commit({ 'a.bin': pointerTo('film') });
    const modules = `[submodule "lib"]\n\tpath = lib\n\turl = ${library.path}\n`;
    await repository.commit({ Dockerfile: DOCKERFILE, '.gitmodules': modules });
    repository.git(['update-index', '--add', '--cacheinfo', `160000,${inner},lib`]);
    repository.git(['commit', '--quiet', '--message', 'Library']);
    const planned = await planContext(repository.gitDir, repository.id('HEAD'), {}, NEVER, {
      repository: { name: NAME, url: repository.path },
      submodules: [library.path],
      lfs: true,
      since: 0,
      mirrors: { open: () => library.gitDir },
    });
    const { stream } = await openContext(planned, 0, NEVER);
    expect(await unpack(stream)).toMatchObject({ 'lib/a.bin': 'film' });
  });

  it('fails in words where it is not there, or is not what its name says', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      Dockerfile: DOCKERFILE,
      'a.bin': pointerTo('film'),
      'b.txt': 'comes after it',
    });
    await expect(files(repository, commit, true)).rejects.toMatchObject({
      code: 'lfs',
      message: expect.stringMatching(/does not have the object [0-9a-f]{12} of 4 bytes/) as string,
    });
    const path = await keep(repository, 'film');
    writeFileSync(path, 'milf');
    await expect(files(repository, commit, true)).rejects.toMatchObject({
      code: 'lfs',
      message: expect.stringContaining('is not what its name says') as string,
    });
    writeFileSync(path, 'film');
    expect(await files(repository, commit, true)).toMatchObject({ 'a.bin': 'film' });
  });

  it('counts for what a context may hold', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      Dockerfile: DOCKERFILE,
      'a.bin': pointerTo('film').replace('size 4', `size ${5 * 2 ** 30}`),
    });
    await expect(plan(repository, commit, true)).rejects.toMatchObject({ code: 'context-refused' });
    expect((await plan(repository, commit, false)).notes).toHaveLength(1);
  });
});

describe('of a repository over https, what Git LFS keeps', () => {
  const { PATH: path } = process.env;
  let server: LfsServer;
  let folder: TemporaryFolder;
  let mirror: Mirror;

  const planned = async (commit: CommitId) => {
    const { folder: gitDir, repository } = mirror;
    return await planContext(gitDir, commit, {}, NEVER, { ...NONE, repository, lfs: true });
  };
  const fetched = async (commit: CommitId) => {
    await mirror.refresh(NEVER);
    return await unpack((await openContext(await planned(commit), 0, NEVER)).stream);
  };

  beforeAll(async () => {
    folder = new TemporaryFolder();
    server = await LfsServer.open();
    await server.repository.commit({ Dockerfile: DOCKERFILE });
    const tokenFile = join(folder.path, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    const access = { caFile: server.caFile, tokenFile };
    mirror = await Mirror.open({ name: NAME, url: server.url, access }, folder.path, NEVER);
  });
  afterAll(async () => {
    process.env['PATH'] = path;
    await server[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it('is fetched once, and only what the context needs', async () => {
    server.asked.length = 0;
    const commit = await server.repository.commit({
      '.dockerignore': 'huge.bin\n',
      'a.bin': server.keep('film'),
      'same.bin': server.keep('film'),
      'empty.bin': server.keep('song'),
      'huge.bin': server.keep('huge'),
    });
    const told = { 'a.bin': 'film', 'same.bin': 'film', 'empty.bin': 'song' };
    expect(await fetched(commit)).toMatchObject(told);
    expect(server.asked.filter((one) => one.startsWith('/objects/'))).toHaveLength(2);
    expect(server.asked).toHaveLength(3);
    expect(await fetched(commit)).toMatchObject(told);
    expect(server.asked).toHaveLength(3);
    expect(readdirSync(join(mirror.folder, 'lfs')).filter((one) => /fetch/.test(one))).toEqual([]);
  });

  it('is kept up to 20 GiB, and then fetched anew as it is wanted', async () => {
    const first = await server.repository.commit({ 'a.bin': server.keep('kept') });
    expect(await fetched(first)).toMatchObject({ 'a.bin': 'kept' });
    const objects = join(mirror.folder, 'lfs/objects');
    const grown = join(objects, 'grown');
    writeFileSync(grown, '');
    truncateSync(grown, 20 * 2 ** 30 - 1000);
    const second = await server.repository.commit({ 'a.bin': server.keep('within') });
    expect(await fetched(second)).toMatchObject({ 'a.bin': 'within' });
    expect(existsSync(grown)).toBe(true);
    const third = await server.repository.commit({ 'a.bin': server.keep('beyond'.repeat(200)) });
    expect(await fetched(third)).toMatchObject({ 'a.bin': 'beyond'.repeat(200) });
    expect(existsSync(grown)).toBe(false);
    const { stream } = await openContext(await planned(third), 0, NEVER);
    rmSync(objects, { recursive: true });
    const failure = toFailure(await unpack(stream).catch((error: unknown) => error));
    expect(failure, 'by a build beside it').toMatchObject({ ours: true });
    expect(failure.message).toContain('was removed while it was wanted');
    expect(await fetched(first)).toMatchObject({ 'a.bin': 'kept' });
  });

  it('is asked for nowhere else, whatever settings and attributes the commit has', async () => {
    await using elsewhere = await LfsServer.open();
    const marker = join(folder.path, 'pwned');
    const commit = await server.repository.commit({
      '.lfsconfig': [
        '[lfs]',
        `\turl = ${elsewhere.url}/info/lfs`,
        '\tfetchexclude = *',
        '\tstandalonetransferagent = evil',
        '[lfs "customtransfer.evil"]',
        `\tpath = touch\n\targs = ${marker}`,
        '[remote "origin"]',
        `\tlfsurl = ${elsewhere.url}/info/lfs`,
      ].join('\n'),
      '.gitattributes': '*.bin -filter\n',
      'a.bin': server.keep('theirs'),
    });
    expect(await fetched(commit)).toMatchObject({ 'a.bin': 'theirs' });
    expect([elsewhere.asked, [...elsewhere.proofs]]).toEqual([[], []]);
    expect(existsSync(marker)).toBe(false);
  });

  it('fails in words where the server does not have it, and is tried again', async () => {
    const pointer = pointerTo('late');
    const commit = await server.repository.commit({ 'a.bin': pointer });
    const id = /sha256:(.*)/.exec(pointer)?.[1];
    const failure = toFailure(await fetched(commit).catch((error: unknown) => error));
    expect(failure).toMatchObject({ code: 'repository-unreadable', ours: true });
    expect(failure.message).toBe(
      `What Git LFS of ${server.url} keeps for this commit cannot be fetched: [${id}] Object does not exist: [404] Object does not exist.`,
    );
    server.keep('late');
    expect(await fetched(commit)).toMatchObject({ 'a.bin': 'late' });
  });

  it('fails in words where git-lfs is not installed', async () => {
    const commit = await server.repository.commit({ 'a.bin': server.keep('uninstalled') });
    await mirror.refresh(NEVER);
    const only = join(folder.path, 'bin');
    await mkdir(only, { recursive: true });
    const git = execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim();
    writeFileSync(join(only, 'git'), `#!/bin/sh\nexec ${git}/git "$@"\n`, { mode: 0o755 });
    process.env['PATH'] = only;
    const failure = toFailure(await fetched(commit).catch((error: unknown) => error));
    process.env['PATH'] = path;
    expect(failure).toMatchObject({
      ours: true,
      message: 'This commit has files in Git LFS, and git-lfs is not installed where pool runs.',
    });
  });

  it('is fetched by what the host says over ssh as well', async () => {
    await using host = await sshServer(folder.path);
    const token = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
    const said = { href: `${server.url}/info/lfs`, header: { Authorization: `Basic ${token}` } };
    await mkdir(join(folder.path, 'bin'), { recursive: true });
    const program = join(folder.path, 'bin/git-lfs-authenticate');
    writeFileSync(program, `#!/bin/sh\necho '${JSON.stringify(said)}'\n`, { mode: 0o755 });
    const commit = await server.repository.commit({ 'a.bin': server.keep('by ssh') });
    const { sshKey, knownHosts } = host;
    const url = `${host.origin}${server.repository.path}`;
    const over = { name: NAME, url, access: { sshKey, knownHosts } };
    const { GIT_SSL_CAINFO: before } = process.env;
    process.env['GIT_SSL_CAINFO'] = server.caFile;
    const { folder: gitDir, repository } = await Mirror.open(over, `${folder.path}/ssh`, NEVER);
    const wanted = { ...NONE, repository, lfs: true };
    const context = await openContext(
      await planContext(gitDir, commit, {}, NEVER, wanted),
      0,
      NEVER,
    );
    expect(await unpack(context.stream)).toMatchObject({ 'a.bin': 'by ssh' });
    if (before === undefined) delete process.env['GIT_SSL_CAINFO'];
    else process.env['GIT_SSL_CAINFO'] = before;
  });

  it('ends with the wish for it', async () => {
    const commit = await server.repository.commit({ 'a.bin': server.keep('unwished') });
    await mirror.refresh(NEVER);
    const wanted = await planned(commit);
    await expect(openContext(wanted, 0, AbortSignal.abort())).rejects.toThrow(/abort/);
    await rm(join(mirror.folder, 'lfs'), { recursive: true, force: true });
    const { stream } = await openContext(wanted, 0, NEVER);
    expect((await buffer(stream)).includes('unwished')).toBe(true);
  });
});
