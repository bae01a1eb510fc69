import { describe, expect, it } from 'vitest';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import { toCommitId } from '../../../src/mirror/commit-id.ts';
import { CommitSet } from '../../../src/mirror/commit-set.ts';
import { parseRefs, RefTable } from '../../../src/mirror/ref-table.ts';

const id = (digits: string) => digits.padEnd(40, '0') as CommitId;
const ONE = id('1111111a');
const TWO = id('1111111b');
const THREE = id('abcdef01');
const GONE = id('dead');

function row(ref: string, commit: string, type = 'commit', peeled = '', peeledType = '') {
  return [ref, commit, type, peeled, peeledType].join('\0');
}

function table(refs: Record<string, CommitId>, commits: readonly CommitId[] = [ONE, TWO, THREE]) {
  const lines = Object.entries(refs).map(([ref, commit]) => row(`refs/${ref}`, commit));
  return new RefTable(parseRefs(lines.join('\n')), CommitSet.parse(commits.join('\n')));
}

describe('the set of reachable commits', () => {
  const ids = Array.from({ length: 1000 }, (_, index) =>
    id(((index * 7919) % 100_003).toString(16).padStart(8, '0')),
  );
  const set = CommitSet.parse(`${ids.join('\n')}\n`);

  it('has each of them and nothing else', () => {
    expect(set.size).toBe(1000);
    expect(ids.every((one) => set.has(one))).toBe(true);
    expect(set.has(id('ffffffff'))).toBe(false);
    expect(set.has(id('0'))).toBe(ids.includes(id('0')));
  });

  it('names those that begin alike, up to a limit', () => {
    const alike = CommitSet.parse(
      Array.from({ length: 20 }, (_, index) =>
        id(`abcdef0${index.toString(16).padStart(2, '0')}`),
      ).join('\n'),
    );
    expect(alike.startingWith('abcdef0')).toHaveLength(10);
    expect(alike.startingWith('abcdef0', 3)).toHaveLength(3);
    expect(alike.startingWith('abcdef013')).toEqual([id('abcdef013')]);
    expect(alike.startingWith('abcdef1')).toEqual([]);
  });

  it.each(['', 'abcdef', 'xyzxyzx', 'ABCDEF0', 'abcdef0-', '.'.repeat(7)])(
    'names none for %s',
    (prefix) => {
      expect(CommitSet.parse(THREE).startingWith(prefix)).toEqual([]);
    },
  );

  it('is empty where there is no commit', () => {
    expect(CommitSet.parse('').size).toBe(0);
    expect(CommitSet.parse('').has(ONE)).toBe(false);
    expect(CommitSet.parse('').startingWith('1111111')).toEqual([]);
  });

  it('holds ids of 64 digits as well', () => {
    const long = 'ab'.repeat(32) as CommitId;
    const longer = CommitSet.parse([long, 'cd'.repeat(32)].join('\n'));
    expect(longer.size).toBe(2);
    expect(longer.has(long)).toBe(true);
    expect(longer.startingWith('abababa')).toEqual([long]);
    expect(longer.has(long.slice(0, 40) as CommitId)).toBe(false);
  });
});

describe('a full id', () => {
  it.each([
    ['0'.repeat(40), true],
    ['a'.repeat(64), true],
    ['A'.repeat(40), false],
    ['a'.repeat(39), false],
    ['a'.repeat(41), false],
    ['g'.repeat(40), false],
    [`${'a'.repeat(40)}\n`, false],
    ['', false],
  ])('%s: %s', (text, is) => {
    expect(toCommitId(text)).toBe(is ? text : undefined);
  });
});

describe('a ref is found', () => {
  it('as a full id first, and such an address never moves', () => {
    const refs = table({ [`heads/${ONE}`]: TWO });
    expect(refs.find(ONE)).toEqual({ kind: 'commit', commit: ONE, rule: 'full id', fixed: true });
  });

  it('as a branch named like an id that is not reachable', () => {
    expect(table({ [`heads/${GONE}`]: TWO }).find(GONE)).toMatchObject({
      commit: TWO,
      fixed: false,
    });
  });

  it('as the slug of a branch or a tag', () => {
    const refs = table({ 'heads/feature/Login': ONE, 'tags/v1.0': TWO });
    expect(refs.find('feature-login')).toMatchObject({
      commit: ONE,
      rule: 'branch feature/Login',
      fixed: false,
    });
    expect(refs.find('v1-0')).toMatchObject({ commit: TWO, rule: 'tag v1.0', fixed: false });
  });

  it('as a branch before an abbreviation of the same letters', () => {
    expect(table({ 'heads/abcdef0': ONE }).find('abcdef0')).toMatchObject({ commit: ONE });
  });

  it('as an abbreviation of seven digits or more', () => {
    expect(table({}).find('abcdef0')).toMatchObject({
      commit: THREE,
      rule: 'abbreviated id',
      fixed: false,
    });
    expect(table({}).find('abcdef')).toMatchObject({ kind: 'unknown' });
  });

  it('as a full id of 64 digits cut to the 63 of a label', () => {
    const long = 'ab'.repeat(32) as CommitId;
    expect(table({}, [long]).find(long.slice(0, 63))).toMatchObject({
      kind: 'commit',
      commit: long,
    });
  });

  it('never by a full id that nothing reaches', () => {
    expect(table({ 'heads/main': ONE }).find(GONE)).toMatchObject({ kind: 'unknown' });
  });

  it.each([
    '--upload-pack=x',
    '../../etc',
    ':/text',
    '@{1}',
    'HEAD',
    '__proto__',
    'constructor',
    '',
  ])('never as %s', (text) => {
    expect(table({ 'heads/main': ONE }).find(text).kind).toBe('unknown');
  });
});

describe('what several things answer to is never guessed', () => {
  it('where two names have one slug', () => {
    const found = table({ 'heads/a/b': ONE, 'heads/a-b': TWO, 'tags/A.B': THREE }).find('a-b');
    expect(found).toEqual({
      kind: 'ambiguous',
      choices: [
        { name: 'branch a/b', commit: ONE },
        { name: 'branch a-b', commit: TWO },
        { name: 'tag A.B', commit: THREE },
      ],
    });
  });

  it('unless they stand for one commit', () => {
    expect(table({ 'heads/a/b': ONE, 'tags/a-b': ONE }).find('a-b')).toMatchObject({ commit: ONE });
  });

  it('where two commits begin alike', () => {
    expect(table({}).find('1111111')).toEqual({
      kind: 'ambiguous',
      choices: [
        { name: 'commit 1111111a0000', commit: ONE },
        { name: 'commit 1111111b0000', commit: TWO },
      ],
    });
  });
});

it('two commits that were made to begin alike are told apart by their names', () => {
  const twins = [id('abcdef0123456789'), id('abcdef012345678a')];
  expect(table({}, twins).find('abcdef0')).toMatchObject({
    choices: [{ name: 'commit abcdef0123456789' }, { name: 'commit abcdef012345678a' }],
  });
});

describe('an unknown name comes with names that are near', () => {
  const refs = table({ 'heads/main': ONE, 'heads/feature/login': TWO, 'tags/v1.0.0': THREE });
  it.each([
    ['mian', ['main']],
    ['feature-logni', ['feature/login']],
    ['feature', ['feature/login']],
    ['v1-0-1', ['v1.0.0']],
    ['something-else-entirely', []],
  ])('%s', (text, near) => {
    const found = refs.find(text);
    expect(found.kind === 'unknown' && found.near.map(({ name }) => name)).toEqual(near);
  });

  it('five at most', () => {
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`heads/release-${index}`, ONE]),
    );
    const found = table(many).find('release');
    expect(found.kind === 'unknown' && found.near).toHaveLength(5);
  });

  it('soon, also among ten thousand branches', () => {
    const many = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`heads/dependabot/npm/and/yarn/${index}`, ONE]),
    );
    const refs10000 = table(many);
    const begun = process.cpuUsage();
    for (let index = 0; index < 10; index++) refs10000.find(`${'x'.repeat(62)}${index}`);
    const { user, system } = process.cpuUsage(begun);
    // Ten visitors who mistyped: nobody else is answered meanwhile.
    expect((user + system) / 1000).toBeLessThan(300);
  });
});

describe("git's list of refs is read", () => {
  it('with what an annotated tag points to', () => {
    const [tag] = parseRefs(row('refs/tags/v1', id('7a6'), 'tag', ONE, 'commit'));
    expect(tag).toEqual({ kind: 'tag', name: 'v1', commit: ONE, slug: 'v1' });
  });

  it('without tags of blobs and trees', () => {
    const lines = [
      row('refs/tags/blob', id('b10b'), 'blob'),
      row('refs/tags/tree', id('7ee'), 'tree'),
      row('refs/tags/annotated-blob', id('7a6'), 'tag', id('b10b'), 'blob'),
      row('refs/notes/commits', ONE),
      row('refs/pull/1/head', ONE),
      '',
    ];
    expect(parseRefs(lines.join('\n'))).toEqual([]);
  });

  it('with names of any letters', () => {
    expect(parseRefs(row('refs/heads/größe/🐛', ONE))[0]).toMatchObject({
      name: 'größe/🐛',
      slug: 'gr-e',
    });
  });
});

it('the refs that stand for a commit are told', () => {
  const refs = table({ 'heads/a': ONE, 'tags/b': ONE, 'heads/c': TWO });
  expect(refs.at(ONE).map(({ kind, name }) => `${kind} ${name}`)).toEqual(['branch a', 'tag b']);
});

it('a name is shown without what reorders or hides it, and keeps its slug', () => {
  const [ref] = parseRefs(row('refs/heads/ma\u202Ein\u200B/\u009B31mx', ONE));
  expect(ref).toMatchObject({ name: 'main/x', slug: 'ma-in-31mx' });
});
