import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';

function problemsOf(input: object) {
  const parsed = parseConfig(input);
  return 'problems' in parsed ? parsed.problems : [];
}

function configOf(input: object) {
  const parsed = parseConfig({ repository: ['/srv/shop'], ...input });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.config;
}

describe('a repository', () => {
  it.each([
    ['/srv/shop', 'shop', '/srv/shop'],
    ['/srv/shop.git', 'shop', '/srv/shop.git'],
    ['/srv/shop/.git', 'shop', '/srv/shop/.git'],
    ['/srv/shop/', 'shop', '/srv/shop/'],
    ['shop', 'shop', resolve('shop')],
    ['/srv/My_Shop.v2', 'my-shop-v2', '/srv/My_Shop.v2'],
    ['/srv/2024', 'repository-2024', '/srv/2024'],
    ['/srv/größe', 'gr-e', '/srv/größe'],
    ['/srv/🐛', 'repository', '/srv/🐛'],
    [`/srv/${'a'.repeat(29)}-b`, 'a'.repeat(29), `/srv/${'a'.repeat(29)}-b`],
    ['https://git.example.com/team/docs.git', 'docs', 'https://git.example.com/team/docs.git'],
    ['https://git.example.com/docs/', 'docs', 'https://git.example.com/docs/'],
    ['docs=https://git.example.com/x.git', 'docs', 'https://git.example.com/x.git'],
    ['docs=/srv/a=b', 'docs', '/srv/a=b'],
    ['/srv/a=b', 'a-b', '/srv/a=b'],
  ])('%s is named %s', (spec, name, url) => {
    expect(configOf({ repository: [spec] }).repository).toEqual([{ name, url }]);
  });

  it.each([
    'ssh://git@git.example.com/x.git',
    'git@git.example.com:x.git',
    'http://git.example.com/x.git',
    'git://git.example.com/x.git',
    'file:///srv/shop',
    'ext::sh -c touch% /tmp/x',
    'fd::7',
    'https://user:secret@git.example.com/x.git',
    'https://token@git.example.com/x.git',
    'https://',
    '--upload-pack=touch /tmp/x',
    'name=--upload-pack=x',
    'docs=',
    '',
    '/srv/a\nb',
    '/srv/a\0b',
  ])('%s is refused', (spec) => {
    expect(problemsOf({ repository: [spec] })).toMatchObject([
      {
        key: 'repository',
        message: expect.stringMatching(
          /^expected (the path of a Git repository or an https URL|a name of)/,
        ) as string,
      },
    ]);
  });

  it('with a password in its URL is refused without showing that', () => {
    const [problem] = problemsOf({ repository: ['https://user:secret@git.example.com/x.git'] });
    expect(problem?.message).not.toContain('secret');
  });

  it.each([
    'Docs=/srv/x',
    '2024=/srv/x',
    'a--b=/srv/x',
    `${'a'.repeat(31)}=/srv/x`,
    '-a=/srv/x',
    'a_b=/srv/x',
  ])('is not named as in %s', (spec) => {
    expect(problemsOf({ repository: [spec] })).toMatchObject([
      {
        key: 'repository',
        message: expect.stringMatching(/expected a name of a-z, 0-9/) as string,
      },
    ]);
  });

  it('has a name of its own', () => {
    expect(problemsOf({ repository: ['/srv/shop', '/var/shop'] })).toMatchObject([
      { key: 'repository', message: expect.stringContaining('came shop twice') as string },
    ]);
  });

  it('is needed', () => {
    expect(problemsOf({ repository: [] })).toMatchObject([
      {
        key: 'repository',
        message: expect.stringContaining('expected at least one repository') as string,
      },
    ]);
    expect(problemsOf({})).toMatchObject([{ key: 'repository' }]);
  });
});

describe('everything else', () => {
  it('has defaults', () => {
    expect(configOf({})).toMatchObject({
      domain: ['pool.localhost', 'pool.dev'],
      listen: { host: '127.0.0.1', port: 8080 },
      builder: 'auto',
      buildConcurrency: 1,
      holdMs: 60_000,
      portRange: { first: 20_000, last: 29_999 },
    });
  });

  it.each([
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['8080', { host: '127.0.0.1', port: 8080 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
  ])('listens on %s', (listen, address) => {
    expect(configOf({ listen }).listen).toEqual(address);
  });

  it('takes domains in any case', () => {
    expect(configOf({ domain: ['Pool.Example.COM'] }).domain).toEqual(['pool.example.com']);
  });

  it.each([
    ['domain', ['a..b'], 'a..b'],
    ['domain', ['-a.dev'], '-a.dev'],
    ['domain', ['a_b.dev'], 'a_b.dev'],
    ['domain', ['pool.dev:80'], 'pool.dev:80'],
    ['domain', [`${'a'.repeat(64)}.dev`], 'aaa'],
    ['domain', ['ä.dev'], 'ä.dev'],
    ['domain', ['.dev'], '.dev'],
    ['listen', '127.0.0.1', '127.0.0.1'],
    ['listen', '127.0.0.1:65536', '65536'],
    ['listen', '127.0.0.1:http', 'http'],
    ['listen', '::1:80', '::1:80'],
    ['engine', 'ssh://host', 'ssh://host'],
    ['engine', '/var/run/docker.sock', '/var/run/docker.sock'],
    ['builder', 'kaniko', 'kaniko'],
    ['buildConcurrency', 0, '0'],
    ['buildConcurrency', 1.5, '1.5'],
    ['buildConcurrency', '2', '"2"'],
    ['queueLimit', 0, '0'],
    ['holdMs', -1, '-1'],
    ['portRange', { first: 80, last: 90 }, '80'],
    ['portRange', { first: 30_000, last: 20_000 }, '30000'],
    ['portRange', { first: 20_000 }, '20000'],
    ['data-dir', '', '""'],
  ])('%s: %o is refused, with what came', (key, value, came) => {
    const problems = problemsOf({ repository: ['/srv/shop'], [key]: value });
    expect(problems.map((problem) => problem.key)).toContain(key);
    for (const { message } of problems) {
      expect(message).toMatch(/expected|too small|too big/i);
      expect(message).toContain(came);
    }
  });

  it('that nobody knows is refused by its name', () => {
    expect(JSON.stringify(problemsOf({ repository: ['/srv/shop'], colour: 'red' }))).toContain(
      'colour',
    );
  });

  it('is checked at once, and every problem is told', () => {
    const problems = problemsOf({
      repository: ['http://x/'],
      listen: 'x',
      domain: ['..'],
      holdMs: -1,
    });
    expect(problems.map(({ key }) => key).toSorted()).toEqual([
      'domain',
      'holdMs',
      'listen',
      'repository',
    ]);
    for (const { message } of problems) expect(message).toMatch(/; came /);
  });
});
