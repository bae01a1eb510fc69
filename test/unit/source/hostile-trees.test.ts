import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { documentationChange } from '../../../src/source/documentation.ts';
import { Mirror } from '../../../src/mirror/mirror.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import { planAlone } from '../fixtures/plan-alone.ts';
import { makeCertificate, tlsServer } from '../fixtures/remotes.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();
const DOCKERFILE = 'FROM scratch\n';

type Entry = Parameters<GitRepository['commitOfTree']>[0][number];

function treeOf(repository: GitRepository, entries: readonly Entry[]): string {
  return repository.git(['rev-parse', `${repository.commitOfTree(entries)}^{tree}`]);
}

function ten(mode: string, id: string): Entry[] {
  return Array.from({ length: 10 }, (_, at) => ({ mode, name: `f${at}`, id }));
}

/** Ten folders in ten folders and so on: ten million files out of nine objects. */
function treeBomb(repository: GitRepository): string {
  const id = repository.blob('x');
  let tree = treeOf(repository, ten('100644', id));
  for (let depth = 1; depth < 7; depth++) tree = treeOf(repository, ten('40000', tree));
  return tree;
}

describe('ten million files out of a few objects', () => {
  it('are copied by a mirror, and refused by number when somebody visits', async () => {
    using repository = new GitRepository();
    using folder = new TemporaryFolder();
    const id = repository.blob(DOCKERFILE);
    const bomb = treeBomb(repository);
    const commit = repository.commitOfTree([
      { mode: '100644', name: 'Dockerfile', id },
      { mode: '40000', name: 'f', id: bomb },
    ]);
    repository.git(['update-ref', 'refs/heads/main', commit]);
    const mirror = await Mirror.open({ name: NAME, url: repository.path }, folder.path, NEVER);
    expect(mirror.problem).toBeUndefined();
    await expect(planAlone(mirror.folder, commit, {}, NEVER)).rejects.toMatchObject({
      code: 'context-refused',
      message: 'This commit is not built, for it has more than 200000 entries.',
    });

    // The next commit takes them away: what it changes is ten million paths.
    const next = repository.commitOfTree([{ mode: '100644', name: 'Dockerfile', id }]);
    const plan = await planAlone(repository.gitDir, next, {}, NEVER);
    const { gitDir } = repository;
    const advice = documentationChange(gitDir, [commit], next, plan, NEVER);
    await expect(advice).rejects.toThrow(/abort|time/i);
  }, 20_000);
});

describe('a commit is refused in words that has', () => {
  it.each([
    ['a folder of git itself', '.git', '100644', 'the path ".git"'],
    ['one that some systems take for it', '.GIT', '100644', 'the path ".GIT"'],
    ['one name twice', 'Dockerfile', '120000', 'the path "Dockerfile" twice'],
  ])('%s', async (_, name, mode, words) => {
    using repository = new GitRepository();
    const id = repository.blob(DOCKERFILE);
    const commit = repository.commitOfTree([
      { mode: '100644', name: 'Dockerfile', id },
      { mode, name, id },
    ]);
    await expect(planAlone(repository.gitDir, commit, {}, NEVER)).rejects.toMatchObject({
      code: 'context-refused',
      message: `This commit is not built, for it has ${words}.`,
    });
  });

  it('a file that claims to be larger than any, before a byte of it is read', async () => {
    using repository = new GitRepository();
    const id = 'ab'.repeat(20);
    const file = join(repository.gitDir, 'objects', id.slice(0, 2), id.slice(2));
    mkdirSync(dirname(file));
    writeFileSync(file, deflateSync(`blob ${3 * 2 ** 30}\0x`));
    const commit = repository.commitOfTree([
      { mode: '100644', name: 'Dockerfile', id: repository.blob(DOCKERFILE) },
      { mode: '100644', name: 'film', id },
    ]);
    await expect(planAlone(repository.gitDir, commit, {}, NEVER)).rejects.toMatchObject({
      message: 'This commit is not built, for it has "film" of 3.0 GiB; one file may have 1.0 GiB.',
    });
  });
});

/** A number as packs have it: seven bits a byte, the lowest first. */
function length(size: number): Buffer {
  const bytes = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes.slice(0, -1), (bytes.at(-1) ?? 128) - 128]);
}

/** A pack of two objects: a block of nothing, and a difference that is the block 192 times. */
function packThatClaims3GiB(): Buffer {
  const block = Buffer.alloc(0xffffff);
  const copy = Buffer.from([0xf0, 0xff, 0xff, 0xff]);
  const header = (type: number, size: number) =>
    Buffer.concat([Buffer.from([128 + type * 16 + (size % 16)]), length(Math.floor(size / 16))]);
  const whole = Buffer.concat([header(3, block.length), deflateSync(block)]);
  const sizes = [length(block.length), length(block.length * 192)];
  const difference = Buffer.concat([...sizes, ...Array.from({ length: 192 }, () => copy)]);
  const back = [whole.length % 128];
  for (let rest = Math.floor(whole.length / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1;
    back.unshift((rest % 128) + 128);
  }
  const second = [header(6, difference.length), Buffer.from(back), deflateSync(difference)];
  const pack = Buffer.concat([Buffer.from('PACK\0\0\0\x02\0\0\0\x02', 'latin1'), whole, ...second]);
  return Buffer.concat([pack, createHash('sha1').update(pack).digest()]);
}

function packet(bytes: string | Buffer): Buffer {
  const size = (Buffer.byteLength(bytes) + 4).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(size), Buffer.from(bytes)]);
}

it('sixteen kilobytes that claim to be three gigabytes end git at its limit, and are told', async () => {
  using folder = new TemporaryFolder();
  const certificate = makeCertificate(folder.path);
  const tip = 'ab'.repeat(20);
  const pack = packThatClaims3GiB();
  expect(pack.length).toBeLessThan(20_000);
  await using server = await tlsServer(certificate, (request, response) => {
    const kind = request.method === 'GET' ? 'advertisement' : 'result';
    response.setHeader('content-type', `application/x-git-upload-pack-${kind}`);
    const told = [
      packet('# service=git-upload-pack\n'),
      '0000',
      packet(`${tip} HEAD\0symref=HEAD:refs/heads/main ofs-delta\n`),
      packet(`${tip} refs/heads/main\n`),
      '0000',
    ];
    const parts = kind === 'result' ? [packet('NAK\n'), pack] : told;
    request.resume().once('end', () => {
      for (const part of parts) response.write(part);
      response.end();
    });
  });
  const access = { caFile: certificate.caFile };
  const url = `https://127.0.0.1:${server.port}/x`;
  const { problem } = await Mirror.open({ name: NAME, url, access }, folder.path, NEVER);
  expect(problem).toContain('has a file of more than 1 GiB');
}, 20_000);

it('modes are read as git has them: a device is no file, and nobody’s rights are taken on', async () => {
  using repository = new GitRepository();
  const id = repository.blob(DOCKERFILE);
  const own = { mode: '100644', name: 'Dockerfile', id };
  const su = repository.commitOfTree([own, { mode: '104755', name: 'su', id }]);
  const { entries } = await planAlone(repository.gitDir, su, {}, NEVER);
  expect(entries.map(({ mode }) => mode)).toEqual(['100644', '100755']);
  for (const mode of ['60644', '20644', '10644', '140755']) {
    const commit = repository.commitOfTree([own, { mode, name: 'device', id }]);
    const planned = await planAlone(repository.gitDir, commit, {}, NEVER);
    // Git takes it for a submodule, and nobody names a remote for that.
    expect(planned.entries.map((entry) => entry.mode)).toEqual(['100644', '040000']);
    expect(planned.notes).toHaveLength(1);
  }
});

it('names that differ in case alone are two files, as the builder has them', async () => {
  using repository = new GitRepository();
  const id = repository.blob(DOCKERFILE);
  const names = ['Dockerfile', 'README', 'readme'];
  const commit = repository.commitOfTree(names.map((name) => ({ mode: '100644', name, id })));
  const { entries } = await planAlone(repository.gitDir, commit, {}, NEVER);
  expect(entries.map(({ path }) => path)).toEqual(names);
});
