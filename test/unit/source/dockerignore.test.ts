import { describe, expect, it } from 'vitest';
import { parseIgnoreFile, PATTERN_LIMIT } from '../../../src/source/dockerignore.ts';

/** Rows out of the behaviour that moby/patternmatcher and its ignorefile document and test. */
const ROWS: [file: string, path: string, ignored: boolean][] = [
  // Plain names, at the top only, with everything below.
  ['docs', 'docs', true],
  ['docs', 'docs/a/b.md', true],
  ['docs', 'docs2', false],
  ['docs', 'src/docs', false],
  ['docs/a', 'docs', false],
  ['abc.def', 'abcZdef', false],
  ['a(b)c/def', 'a(b)c/def', true],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['Docs', 'docs', false],
  // Slashes, dots and dot-dots.
  ['/docs', 'docs/a', true],
  ['//docs', 'docs', true],
  ['docs/', 'docs', true],
  ['docs/', 'docs/a', true],
  ['./docs', 'docs', true],
  ['docs//a', 'docs/a', true],
  ['docs/./a', 'docs/a', true],
  ['docs/../src', 'src', true],
  ['docs/../src', 'docs', false],
  ['../docs', 'docs', false],
  ['/../docs', 'docs', true],
  ['.', 'docs', false],
  ['/', 'docs', false],
  ['docs/..', 'docs', false],
  // One folder's wildcards.
  ['*', 'a', true],
  ['*', '.a', true],
  ['*', 'a/b', true],
  ['*.md', 'a.md', true],
  ['*.md', 'docs/a.md', false],
  ['*/*.md', 'docs/a.md', true],
  ['*/*.md', 'docs/b/a.md', false],
  ['a*', 'ab/c', true],
  ['a*b', 'a/b', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['.*', '.foo', true],
  ['.*', 'foo', false],
  ['abc?def', 'abcZdef', true],
  ['abc?def', 'abcdef', false],
  ['a?b', 'a/b', false],
  ['a?b', 'a☺b', true],
  ['a?b', 'a😀b', true],
  ['a???b', 'a☺b', false],
  ['😀.txt', '😀.txt', true],
  ['ä/ö', 'ä/ö/ü', true],
  // Folders of any depth.
  ['**', 'a/b/c', true],
  ['**/', 'a', true],
  ['**/**', 'dir/file', true],
  ['dir/**', 'dir/dir2/file', true],
  ['abc/**', 'abc', false],
  ['abc/**', 'abc/def/ghi', true],
  ['**/dir', 'dir', true],
  ['**/dir', 'a/b/dir', true],
  ['**/dir', 'a/dir/b', true],
  ['**/dir', 'a/xdir', false],
  ['**/dir2/*', 'dir/dir2/file', true],
  ['**/dir2/**', 'dir/dir2/dir3/file', true],
  ['**file', 'dir/dir/file', true],
  ['**/file*.txt', 'dir/dir/file1.txt', true],
  ['**/**/*.txt', 'file.txt', true],
  ['**/**/*.txt2', 'dir/dir/file.txt', false],
  ['a**/*.txt', 'a/file.txt', true],
  ['a**/*.txt', 'a/dir/dir/file.txt', true],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a/**/b', 'ab', false],
  ['a/*.txt**', 'a/file.txt', true],
  ['**/foo/bar', 'dir/dir2/foo/bar', true],
  ['**/.foo', 'bar.foo', false],
  // Classes.
  ['a[b-d]e', 'ace', true],
  ['a[b-d]e', 'aae', false],
  ['a[b-d]e', 'ae', false],
  ['a[^b-d]e', 'aze', true],
  ['ab[^c]', 'abc', false],
  ['[a-ζ]*', 'α', true],
  ['[😀-😂]', '😁', true],
  ['[\\]a]', ']', true],
  ['[x\\-]', '-', true],
  ['[x\\-]', 'z', false],
  ['[!a]', '!', true],
  ['[!a]', 'b', false],
  // Escapes.
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'ab', false],
  ['a\\\\', 'a\\', true],
  ['\\#a', '#a', true],
  ['\\!a', '!a', true],
  // Lines.
  ['# docs', 'docs', false],
  ['#docs', '#docs', false],
  [' #docs', '#docs', true],
  ['  docs \t', 'docs', true],
  ['docs\r\nsrc\r\n', 'docs', true],
  ['docs\r\nsrc\r\n', 'src', true],
  ['\uFEFFdocs', 'docs', true],
  ['\uFEFF# docs', 'docs', false],
  ['\n\n \ndocs', 'docs', true],
  ['', 'docs', false],
  // Letting back in, and order.
  ['docs\n!docs/README.md', 'docs/README.md', false],
  ['docs\n!docs/README.md', 'docs/other.md', true],
  ['docs/\n!docs/README.md', 'docs/README.md', false],
  ['docs\n! docs/README.md', 'docs/README.md', false],
  ['docs\n!/docs/README.md', 'docs/README.md', false],
  ['!docs\ndocs', 'docs', true],
  ['*.go\n!a.go', 'a.go', false],
  ['**\n!util/docker/web', 'util/docker/web/foo', false],
  ['**\n!util/docker/web\nutil/docker/web/foo', 'util/docker/web/foo', true],
  ['**\n!dist/*.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08acad9.whl', false],
  ['*\n!src\nsrc/*.test.js', 'src/a.test.js', true],
  ['*\n!src\nsrc/*.test.js', 'src/a.js', false],
  ['!!a', '!a', false],
];

describe('.dockerignore is read as the engine reads it', () => {
  it.each(
    ROWS.map(([file, path, ignored]) => {
      const title = `${JSON.stringify(file)} ${ignored ? 'leaves out' : 'lets in'} ${path}`;
      return { title, file, path, ignored };
    }),
  )('$title', async ({ file, path, ignored }) => {
    expect(await parseIgnoreFile(file).ignores(path)).toBe(ignored);
  });
});

describe('a line that the engine refuses is refused with its number', () => {
  it.each([
    '!',
    '! ',
    '[',
    'a[',
    '[^',
    '[^bc',
    '\\',
    'a\\',
    '[]a]',
    '[-]',
    '[x-]',
    '[-x]',
    '[a-b-c]',
  ])('%s', (line) => {
    expect(() => parseIgnoreFile(`docs\n${line}\n`)).toThrow(/line 2/);
  });

  it('and more patterns than the limit are refused', async () => {
    expect(await parseIgnoreFile('a\n'.repeat(PATTERN_LIMIT)).ignores('a')).toBe(true);
    expect(() => parseIgnoreFile('a\n'.repeat(PATTERN_LIMIT + 1))).toThrow(/limit is 2000/);
  });
});

describe('a hostile pattern takes no time to speak of', () => {
  it.each([
    ['stars', `${'*a'.repeat(32)}b`, 'a'.repeat(255)],
    ['folders', `${'**/'.repeat(64)}b`, 'a/'.repeat(127)],
    ['folders and stars', `${'**/*a*/'.repeat(32)}b`, 'aa/'.repeat(85)],
    ['question marks', `${'*?'.repeat(32)}b`, 'a'.repeat(255)],
    ['classes', `${'*[^b]'.repeat(32)}b`, 'a'.repeat(255)],
    ['a long path', `${'*a'.repeat(32)}b`, `${'a'.repeat(250)}/`.repeat(16)],
  ])('%s', async (_, pattern, path) => {
    const rules = parseIgnoreFile(pattern);
    const begun = process.cpuUsage();
    expect(await rules.ignores(path)).toBe(false);
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1000).toBeLessThan(300);
  });

  it('nor does a whole file of them, at every limit there is', async () => {
    // 256 KiB of lines and one name of 255: what one commit can bring without being refused.
    const rules = parseIgnoreFile(`${'*a'.repeat(64)}b\n`.repeat(1999));
    const begun = process.cpuUsage();
    await rules.ignores('a'.repeat(255));
    const { user, system } = process.cpuUsage(begun);
    // Other visitors wait meanwhile.
    expect((user + system) / 1000).toBeLessThan(1000);
  });
});

it('rules that take longer than they may are refused in words', async () => {
  const rules = parseIgnoreFile(`${'*x'.repeat(100)}/y\n`.repeat(1000), 20);
  await expect(rules.ignores('x'.repeat(4000))).rejects.toMatchObject({
    code: 'context-refused',
    message: expect.stringContaining('takes longer than 0.02 s') as string,
  });
});
