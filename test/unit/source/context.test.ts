import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { extract, type Header } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import type { CommitSettings } from '../../../src/source/commit-settings.ts';
import { type Context, openContext } from '../../../src/source/context.ts';
import { GitRepository } from '../fixtures/git-repository.ts';
import { planAlone } from '../fixtures/plan-alone.ts';
import { NEVER, until } from '../fixtures/until.ts';

const DATE = Date.parse('2026-01-02T03:04:05Z');
const DOCKERFILE = 'FROM registry.example/base\n';

async function open(
  repository: GitRepository,
  commit: CommitId,
  settings: CommitSettings = {},
): Promise<Context> {
  const plan = await planAlone(repository.gitDir, commit, settings, NEVER);
  return await openContext(plan, DATE, NEVER);
}

interface Unpacked {
  header: Header;
  content: Buffer;
}

async function unpack(stream: Readable): Promise<Map<string, Unpacked>> {
  const entries = new Map<string, Unpacked>();
  const tar = extract();
  stream.on('error', (error: Error) => tar.destroy(error));
  stream.pipe(tar);
  for await (const entry of tar) {
    entries.set(entry.header.name, { header: entry.header, content: await buffer(entry) });
  }
  return entries;
}

const files = async (repository: GitRepository, commit: CommitId) =>
  await unpack((await open(repository, commit)).stream);

const names = async (repository: GitRepository, commit: CommitId) =>
  [...(await files(repository, commit)).keys()].toSorted();

/** Processes that this one started and that still run, or nobody has asked about. */
function gitChildren(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        const [, name = '', parent] =
          /^[0-9]+ \((.*)\) . ([0-9]+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
        return name === 'git' && Number(parent) === process.pid;
      } catch {
        return false;
      }
    });
}

async function noGit(): Promise<string[]> {
  await until('no git process is left', () => gitChildren().length === 0);
  return gitChildren();
}

describe('a commit goes into its context as it is', () => {
  it('with folders, modes, links and the date of the commit', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      Dockerfile: DOCKERFILE,
      'bin/start': { run: '#!/bin/sh\n' },
      'a/b/c.txt': 'c',
      link: { link: '../../etc/passwd' },
      'absolute-link': { link: '/etc/passwd' },
      empty: '',
    });
    const context = await open(repository, commit);
    expect(context).toMatchObject({ dockerfile: 'Dockerfile' });
    const entries = await unpack(context.stream);
    const told = [...entries.values()].map(({ header }) => [
      header.name.replace(/\/$/, ''),
      header.type,
      header.mode?.toString(8),
      header.linkname,
    ]);
    expect(told).toEqual([
      ['Dockerfile', 'file', '644', null],
      ['a', 'directory', '755', null],
      ['a/b', 'directory', '755', null],
      ['a/b/c.txt', 'file', '644', null],
      ['absolute-link', 'symlink', '777', '/etc/passwd'],
      ['bin', 'directory', '755', null],
      ['bin/start', 'file', '755', null],
      ['empty', 'file', '644', null],
      ['link', 'symlink', '777', '../../etc/passwd'],
    ]);
    expect([...entries.values()].every(({ header }) => header.mtime?.getTime() === DATE)).toBe(
      true,
    );
    expect(entries.get('a/b/c.txt')?.content.toString()).toBe('c');
    expect(entries.get('link')?.content).toHaveLength(0);
  });

  it('whatever its attributes say', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      '.gitattributes': [
        'Dockerfile export-ignore',
        'version.txt export-subst',
        '*.bat text eol=crlf',
        'ident.txt ident',
        'wide.txt working-tree-encoding=UTF-16',
        'tests export-ignore',
      ].join('\n'),
      Dockerfile: DOCKERFILE,
      'version.txt': '$Format:%H$\n',
      'run.bat': 'echo\n',
      'ident.txt': '$Id$\n',
      'tests/a': 'a',
    });
    const entries = await files(repository, commit);
    expect(entries.get('Dockerfile')?.content.toString()).toBe(DOCKERFILE);
    expect(entries.get('version.txt')?.content.toString()).toBe('$Format:%H$\n');
    expect(entries.get('run.bat')?.content.toString()).toBe('echo\n');
    expect(entries.get('ident.txt')?.content.toString()).toBe('$Id$\n');
    expect(entries.get('tests/a')?.content.toString()).toBe('a');
  });

  it('with large and binary files whole', async () => {
    using repository = new GitRepository();
    const large = Buffer.alloc(
      3_000_001,
      Uint8Array.from({ length: 251 }, (_, index) => index),
    );
    const commit = await repository.commit({ Dockerfile: DOCKERFILE, large, z: 'after it' });
    const entries = await files(repository, commit);
    expect(entries.get('large')?.content.equals(large)).toBe(true);
    expect(entries.get('z')?.content.toString()).toBe('after it');
  });

  it('with names that have spaces, umlauts, newlines and more than a hundred letters', async () => {
    using repository = new GitRepository();
    const long = `${'folder/'.repeat(30)}${'n'.repeat(200)}`;
    const commit = await repository.commit({
      Dockerfile: DOCKERFILE,
      'a b': '1',
      größe: '2',
      'new\nline': '3',
      '😀': '4',
      [long]: '5',
    });
    const entries = await files(repository, commit);
    expect([...entries.keys()]).toEqual(
      expect.arrayContaining(['a b', 'größe', 'new\nline', '😀', long]),
    );
  });

  it('in the same bytes, however often it is packed', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      Dockerfile: DOCKERFILE,
      'a/b': 'x'.repeat(100_000),
      run: { run: '1' },
      link: { link: 'a' },
    });
    const [one, two] = await Promise.all([
      buffer((await open(repository, commit)).stream),
      buffer((await open(repository, commit)).stream),
    ]);
    expect(one.equals(two)).toBe(true);
  });
});

describe('.dockerignore', () => {
  it('leaves out, lets back in, and keeps the folders above that', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      '.dockerignore': '*\n!src/keep\nsrc/keep/*.tmp\n',
      Dockerfile: DOCKERFILE,
      'README.md': 'x',
      'docs/a': 'x',
      'src/other/a': 'x',
      'src/keep/a': 'x',
      'src/keep/b.tmp': 'x',
    });
    expect(await names(repository, commit)).toEqual([
      '.dockerignore',
      'Dockerfile',
      'src',
      'src/keep',
      'src/keep/a',
    ]);
  });

  it('never leaves out the Dockerfile', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      '.dockerignore': 'Dockerfile\n.dockerignore\n**',
      Dockerfile: DOCKERFILE,
      a: 'x',
    });
    expect(await names(repository, commit)).toEqual(['.dockerignore', 'Dockerfile']);
  });

  it('goes behind Dockerfile.dockerignore', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      '.dockerignore': 'a\n',
      'Dockerfile.dockerignore': 'b\n',
      Dockerfile: DOCKERFILE,
      a: 'x',
      b: 'x',
    });
    const told = await names(repository, commit);
    expect(told).toContain('a');
    expect(told).not.toContain('b');
  });

  it('that is a link or a folder is no list of rules', async () => {
    using repository = new GitRepository();
    const linked = await repository.commit({
      '.dockerignore': { link: '/etc/passwd' },
      Dockerfile: DOCKERFILE,
      a: 'x',
    });
    expect(await names(repository, linked)).toContain('a');
    const folder = await repository.commit({ '.dockerignore': undefined, '.dockerignore/a': 'x' });
    expect(await names(repository, folder)).toContain('.dockerignore/a');
  });

  it('that cannot be read is refused with its line', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({ '.dockerignore': 'a\n[\n', Dockerfile: DOCKERFILE });
    await expect(open(repository, commit)).rejects.toMatchObject({
      code: 'context-refused',
      message: expect.stringMatching(/^\.dockerignore cannot be read: line 2/) as string,
    });
  });

  it('over 256 KiB is refused', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      '.dockerignore': '# \n'.repeat(100_000),
      Dockerfile: DOCKERFILE,
    });
    await expect(open(repository, commit)).rejects.toMatchObject({ code: 'context-refused' });
  });
});

describe('the commit may choose', () => {
  const FILES = {
    'web/.dockerignore': 'tmp\n',
    'web/index.html': '<h1>',
    'web/tmp': 'x',
    'web/Dockerfile': 'FROM web\n',
    'deploy/web.Dockerfile': 'FROM deploy\n',
    'other.txt': 'x',
  };

  it('a folder, whose ignore file and Dockerfile are then the ones', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(FILES);
    const context = await open(repository, commit, { context: 'web' });
    expect(context.dockerfile).toBe('Dockerfile');
    const unpacked = await unpack(context.stream);
    expect([...unpacked.keys()]).toEqual(['.dockerignore', 'Dockerfile', 'index.html']);
    expect(unpacked.get('Dockerfile')?.content.toString()).toBe('FROM web\n');
  });

  it('a Dockerfile outside of the folder, which comes along under a name of its own', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(FILES);
    const settings = { context: 'web', dockerfile: 'deploy/web.Dockerfile' };
    const context = await open(repository, commit, settings);
    expect(context.dockerfile).toBe('.pool.dockerfile');
    const unpacked = await unpack(context.stream);
    expect(unpacked.get('.pool.dockerfile')?.content.toString()).toBe('FROM deploy\n');
  });

  it('a Dockerfile with an ignore file of its own', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      ...FILES,
      'deploy/web.Dockerfile.dockerignore': 'index.html\n',
    });
    const settings = { context: 'web', dockerfile: 'deploy/web.Dockerfile' };
    const unpacked = await unpack((await open(repository, commit, settings)).stream);
    expect([...unpacked.keys()]).toContain('tmp');
    expect([...unpacked.keys()]).not.toContain('index.html');
  });

  it('a Dockerfile through links, as long as they stay in the commit', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      ...FILES,
      Dockerfile: { link: 'deploy/link' },
      'deploy/link': { link: 'web.Dockerfile' },
      outside: { link: '../../etc/passwd' },
      absolute: { link: '/etc/passwd' },
      loop: { link: 'loop' },
    });
    expect(await open(repository, commit)).toMatchObject({ dockerfile: 'deploy/web.Dockerfile' });
    for (const dockerfile of ['outside', 'absolute', 'loop', 'web', 'nothing']) {
      await expect(open(repository, commit, { dockerfile })).rejects.toMatchObject({
        code: 'no-dockerfile',
        message: expect.stringMatching(
          /no file \S+ to be its Dockerfile|leads to no file|but a folder/,
        ),
      });
    }
  });

  it('no folder that is not there', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(FILES);
    for (const context of ['we', 'web/index.html', 'nothing']) {
      await expect(open(repository, commit, { context })).rejects.toMatchObject({
        code: 'pool-yml',
        message: `The context is to be the folder ${context}, which this commit does not have.`,
      });
    }
  });

  it('no context that has a file of the reserved name', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({ ...FILES, 'web/.pool.dockerfile': 'x' });
    const settings = { context: 'web', dockerfile: 'deploy/web.Dockerfile' };
    await expect(open(repository, commit, settings)).rejects.toMatchObject({
      code: 'context-refused',
    });
  });

  it('arguments; the commit is one of them where the Dockerfile asks for it', async () => {
    using repository = new GitRepository();
    const plain = await repository.commit({ Dockerfile: DOCKERFILE });
    const asking = await repository.commit({ Dockerfile: `${DOCKERFILE}ARG POOL_COMMIT\n` });
    const settings = { args: { A: 'b' }, target: 'one' };
    expect(await open(repository, plain, settings)).toMatchObject({
      args: { A: 'b' },
      target: 'one',
    });
    expect((await open(repository, plain)).args).toEqual({});
    expect((await open(repository, asking)).args).toEqual({ POOL_COMMIT: asking });
  });
});

describe('a commit without a Dockerfile at its top', () => {
  it('is refused, and those elsewhere are named', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      'docker/Dockerfile': 'x',
      'web/app.dockerfile': 'x',
      'Dockerfile.dev': 'x',
      'not-a-dockerfile.md': 'x',
    });
    await expect(open(repository, commit)).rejects.toMatchObject({
      code: 'no-dockerfile',
      message:
        'This commit has no Dockerfile at its top. It has Dockerfile.dev, docker/Dockerfile, web/app.dockerfile.',
      // Old commits cannot be mended, and their operator can say it of all of them.
      next: expect.stringContaining(
        '"dockerfile" and "context" of its repository in pool.config.ts',
      ) as string,
    });
  });

  it('is refused where it is a link that leads out of the commit, or nowhere', async () => {
    for (const target of ['/etc/passwd', '../Dockerfile', 'nothing']) {
      using repository = new GitRepository();
      const commit = await repository.commit({ Dockerfile: { link: target } });
      await expect(open(repository, commit)).rejects.toMatchObject({
        code: 'no-dockerfile',
        message: 'Dockerfile is a link that leads to no file of this commit.',
      });
    }
  });

  it('is refused where there is none at all', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({ a: 'x' });
    await expect(open(repository, commit)).rejects.toMatchObject({
      code: 'no-dockerfile',
      message: 'This commit has no Dockerfile at its top.',
    });
  });

  it('is refused where a folder has that name', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit({ 'Dockerfile/a': 'x', 'Dockerfile/Dockerfile': 'x' });
    await expect(open(repository, commit)).rejects.toMatchObject({
      code: 'no-dockerfile',
      message: 'Dockerfile of this commit is no file but a folder. It has Dockerfile/Dockerfile.',
    });
  });
});

it('a link that is longer than any path is refused, for it would be read into memory', async () => {
  using repository = new GitRepository();
  const commit = repository.commitOfTree([
    { mode: '100644', name: 'Dockerfile', id: repository.blob(DOCKERFILE) },
    { mode: '120000', name: 'link', id: repository.blob('x'.repeat(4097)) },
  ]);
  await expect(open(repository, commit)).rejects.toMatchObject({
    code: 'context-refused',
    message: 'This commit is not built, for it has the link "link", which is longer than any path.',
  });
});

it('rules that take too long to match end when nobody wants them any more', async () => {
  using repository = new GitRepository();
  const paths = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`${'x'.repeat(200)}${index}`, '']),
  );
  const rules = Array.from({ length: 999 }, () => `${'*x'.repeat(120)}/y`).join('\n');
  const commit = await repository.commit({
    ...paths,
    Dockerfile: DOCKERFILE,
    '.dockerignore': rules,
  });
  const planning = planAlone(repository.gitDir, commit, {}, AbortSignal.timeout(300));
  await expect(planning).rejects.toThrow(/abort/i);
});

describe('a path that could lead anywhere else is refused', () => {
  it.each([
    ['two dots', '..'],
    ['one dot', '.'],
    ['a slash', '../../escape'],
    ['a slash in front', '/etc/passwd'],
    ['nothing', ''],
    ['bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0xfe])],
  ])('%s', async (_, name) => {
    using repository = new GitRepository();
    const id = repository.blob(DOCKERFILE);
    const commit = repository.commitOfTree([
      { mode: '100644', name, id },
      { mode: '100644', name: 'Dockerfile', id },
    ]);
    await expect(open(repository, commit)).rejects.toThrow(Error);
    expect(await noGit()).toEqual([]);
  });

  it('in words, where git itself lets it through', async () => {
    using repository = new GitRepository();
    const id = repository.blob(DOCKERFILE);
    const commit = repository.commitOfTree([
      { mode: '100644', name: '..', id },
      { mode: '100644', name: 'Dockerfile', id },
    ]);
    await expect(open(repository, commit)).rejects.toMatchObject({
      code: 'context-refused',
      message: 'This commit is not built, for it has the path "..".',
    });
  });
});

describe('a stream that ends early never ends the process', () => {
  // In a process of its own: what nobody catches there ends pool, and every preview's visitors.
  const script = `
    import { openContext } from ${JSON.stringify(new URL('../../../src/source/context.ts', import.meta.url).href)};
    import { planAlone } from ${JSON.stringify(new URL('../fixtures/plan-alone.ts', import.meta.url).href)};
    const [gitDir, commit, how] = process.argv.slice(1);
    const controller = new AbortController();
    const plan = await planAlone(gitDir, commit, {}, controller.signal);
    const { stream } = await openContext(plan, 0, controller.signal);
    stream.once('error', (error) => console.log('told', error.code ?? error.name));
    if (how === 'nobody reads') stream.destroy();
    if (how === 'reader leaves') stream.once('readable', () => stream.destroy());
    if (how === 'abort') stream.once('data', () => controller.abort());
    stream.once('close', () => setTimeout(() => console.log('alive'), 50));
  `;

  it.each([
    ['reader leaves', 'alive'],
    ['nobody reads', 'alive'],
    ['abort', 'told ABORT_ERR\nalive'],
  ])('%s', async (how, told) => {
    using repository = new GitRepository();
    const commit = await repository.commit({
      Dockerfile: DOCKERFILE,
      a: Buffer.alloc(9_000_000),
    });
    const args = ['--input-type=module', '--eval', script, repository.gitDir, commit, how];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect({ status, stdout: stdout.trim(), stderr }).toEqual({
      status: 0,
      stdout: told,
      stderr: '',
    });
  });
});

describe('no git process is left', () => {
  const big = { Dockerfile: DOCKERFILE, a: 'a'.repeat(5_000_000), b: 'b'.repeat(5_000_000) };

  it('when a context was read to its end', async () => {
    using repository = new GitRepository();
    await files(repository, await repository.commit(big));
    expect(await noGit()).toEqual([]);
  });

  it('when its reader goes away', async () => {
    using repository = new GitRepository();
    const { stream } = await open(repository, await repository.commit(big));
    await new Promise((resolve) => stream.once('readable', resolve));
    stream.destroy();
    expect(await noGit()).toEqual([]);
  });

  it('when nobody ever read it', async () => {
    using repository = new GitRepository();
    const { stream } = await open(repository, await repository.commit(big));
    stream.destroy();
    expect(await noGit()).toEqual([]);
  });

  it('when it is aborted, and the stream says so', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(big);
    const controller = new AbortController();
    const plan = await planAlone(repository.gitDir, commit, {}, NEVER);
    const { stream } = await openContext(plan, DATE, controller.signal);
    const read = buffer(stream);
    controller.abort();
    await expect(read).rejects.toThrow(Error);
    expect(await noGit()).toEqual([]);
  });

  it('when it is aborted before it is opened', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(big);
    const opened = planAlone(repository.gitDir, commit, {}, AbortSignal.abort());
    await expect(opened).rejects.toThrow(Error);
    expect(await noGit()).toEqual([]);
  });

  it('when the commit is not there', async () => {
    using repository = new GitRepository();
    await repository.commit(big);
    await expect(open(repository, '0'.repeat(40) as CommitId)).rejects.toThrow(
      /git ls-tree exited/,
    );
    expect(await noGit()).toEqual([]);
  });
});
