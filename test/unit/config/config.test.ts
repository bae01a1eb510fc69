import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { imageReference } from '../../../src/config/repository.ts';
import { parseConfig } from '../../../src/config/parse-config.ts';

function problemsOf(input: object) {
  const parsed = parseConfig(input);
  return 'problems' in parsed ? parsed.problems : [];
}

function configOf(input: object) {
  const parsed = parseConfig({ repositories: ['/srv/shop'], ...input });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.config;
}

const named = (image: string) => ({ repositories: [{ url: '/srv/shop', image }] });

describe('the image that CI made', () => {
  it.each([
    [
      'registry.example.com:5000/team/{repository}:{commit}',
      `registry.example.com:5000/team/shop:${'a'.repeat(40)}`,
    ],
    ['team/app:sha-{short}', 'team/app:sha-aaaaaaa'],
    ['ghcr.io/team/app/{commit}:latest', `ghcr.io/team/app/${'a'.repeat(40)}:latest`],
  ])('%s of a commit is %s', (image, reference) => {
    const [repository] = configOf(named(image)).repositories;
    expect(imageReference(repository?.image ?? '', 'shop', 'a'.repeat(40))).toBe(reference);
  });

  it.each([
    ['team/app:latest', 'expected {commit} or {short} in it'],
    ['team/app-{commit}', 'expected an image with a tag'],
    ['Team/App:{commit}', 'expected an image with a tag'],
    ['https://r.example/app:{commit}', 'expected an image with a tag'],
    ['r.example/app:{commit}-{branch}', 'expected an image with a tag'],
    ['-x:{commit}', 'expected an image with a tag'],
    ['r.example/app:{commit} ', 'expected an image with a tag'],
  ])('%s is refused', (image, message) => {
    expect(problemsOf(named(image))).toMatchObject([
      { key: 'repositories[0].image', message: expect.stringContaining(message) as string },
    ]);
  });
});

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
    ['ssh://git@git.example.com/x.git', 'x', 'ssh://git@git.example.com/x.git'],
    ['ssh://git@[::1]:2222/team/x', 'x', 'ssh://git@[::1]:2222/team/x'],
    ['git@git.example.com:team/x.git', 'x', 'git@git.example.com:team/x.git'],
    ['git@git.example.com:x.git', 'x', 'git@git.example.com:x.git'],
    ['git@git.example.com:/srv/x.git', 'x', 'ssh://git@git.example.com/srv/x.git'],
    ['docs=git@git.example.com:x=y', 'docs', 'git@git.example.com:x=y'],
  ])('%s is named %s', (spec, name, url) => {
    expect(configOf({ repositories: [spec] }).repositories).toMatchObject([{ name, url }]);
  });

  it.each([
    'ssh://git.example.com/x.git',
    'ssh://git:secret@git.example.com/x.git',
    'ssh://-oProxyCommand=x@git.example.com/x.git',
    'ssh://git@-oProxyCommand=x/x.git',
    'ssh://git@git.example.com:99999/x.git',
    'ssh://git@git.example.com',
    'git+ssh://git@git.example.com/x.git',
    'git@-oProxyCommand:x.git',
    'git@git.example.com:',
    'git.example.com:x.git',
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
    expect(problemsOf({ repositories: [spec] })).toMatchObject([
      {
        key: expect.stringMatching(/^repositories/) as string,
        message: expect.stringMatching(
          /^expected (the path of a Git repository or an https URL, ssh:|a name of)/,
        ) as string,
      },
    ]);
  });

  it.each([
    [{ url: '/srv/shop', sshKey: 'key' }, 'sshKey', 'expected an ssh URL beside it'],
    [{ url: 'https://x/y', knownHosts: 'hosts' }, 'knownHosts', 'expected an ssh URL beside it'],
    [{ url: 'git@x:y', tokenFile: 'token' }, 'tokenFile', 'expected an https URL beside it'],
    [
      { url: 'https://x/y', tokenFile: 'token', tokenEnv: 'TOKEN' },
      'tokenEnv',
      'expected either tokenFile or tokenEnv',
    ],
  ])('is not fetched with what its URL has no use for: %o', (repository, key, message) => {
    expect(problemsOf({ repositories: [repository] })).toMatchObject([
      { key: `repositories[0].${key}`, message: expect.stringContaining(message) as string },
    ]);
  });

  it('says why it is refused, and what to do instead', () => {
    const [plain, ...others] = problemsOf({ repositories: ['http://x/y', 'https://token@x/y'] });
    expect(plain?.message).toContain('proves neither who answers nor what');
    expect(others[0]?.message).toContain('name the file that has the token');
  });

  it('with a password in its URL is refused without showing that', () => {
    const [problem] = problemsOf({ repositories: ['https://user:secret@git.example.com/x.git'] });
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
    expect(problemsOf({ repositories: [spec] })).toMatchObject([
      {
        key: expect.stringMatching(/^repositories/) as string,
        message: expect.stringMatching(/expected a name of a-z, 0-9/) as string,
      },
    ]);
  });

  it('has a name of its own', () => {
    expect(problemsOf({ repositories: ['/srv/shop', '/var/shop'] })).toMatchObject([
      {
        key: expect.stringMatching(/^repositories/) as string,
        message: expect.stringContaining('came shop twice') as string,
      },
    ]);
  });

  it('is needed', () => {
    expect(problemsOf({ repositories: [] })).toMatchObject([
      {
        key: expect.stringMatching(/^repositories/) as string,
        message: expect.stringContaining('expected at least one repository') as string,
      },
    ]);
    expect(problemsOf({})).toMatchObject([
      { key: expect.stringMatching(/^repositories/) as string },
    ]);
  });
});

describe('everything else', () => {
  it('has defaults', () => {
    expect(configOf({})).toMatchObject({
      domains: ['pool.localhost', 'pool.dev'],
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
    expect(configOf({ domains: ['Pool.Example.COM'] }).domains).toEqual(['pool.example.com']);
  });

  it.each([
    ['domains', ['a..b'], 'a..b'],
    ['domains', ['-a.dev'], '-a.dev'],
    ['domains', ['a_b.dev'], 'a_b.dev'],
    ['domains', ['pool.dev:80'], 'pool.dev:80'],
    ['domains', [`${'a'.repeat(64)}.dev`], 'aaa'],
    ['domains', ['ä.dev'], 'ä.dev'],
    ['domains', ['.dev'], '.dev'],
    ['listen', '127.0.0.1', '127.0.0.1'],
    ['listen', '127.0.0.1:65536', '65536'],
    ['listen', '127.0.0.1:http', 'http'],
    ['listen', '::1:80', '::1:80'],
    ['engine', 'http://host', 'http://host'],
    ['publishOn', '0.0.0.0', '0.0.0.0'],
    ['publishOn', 'engine.example.com', 'engine.example.com'],
    ['instance', 'Shop', 'Shop'],
    ['instance', 'shop-', 'shop-'],
    ['instance', 'a'.repeat(31), 'aaa'],
    ['engine', '/var/run/docker.sock', '/var/run/docker.sock'],
    ['builder', 'kaniko', 'kaniko'],
    ['buildConcurrency', 0, '0'],
    ['buildConcurrency', 1.5, '1.5'],
    ['buildConcurrency', '2', '"2"'],
    ['queueLimit', 0, '0'],
    ['holdMs', -1, '-1'],
    ['portRange', { first: 80, last: 90 }, /came [89]0/],
    ['portRange', { first: 30_000, last: 20_000 }, '30000'],
    ['portRange', { first: 20_000 }, 'expected a number, and there is none'],
    ['dataDir', '', '""'],
    ['limits', { memory: '1' }, '"1"'],
    ['limits', { memory: '5m' }, '5m'],
    ['limits', { processes: 0 }, '0'],
    ['capabilities', ['ROOT'], 'ROOT'],
    ['trustedProxies', ['10.0.0.0/33'], '33'],
    ['trustedProxies', ['proxy.example.com'], 'proxy'],
    ['trustedProxies', ['::/129'], '129'],
    ['publicUrl', 'ftp://pool.localhost', 'ftp'],
    ['publicUrl', 'https://pool.localhost/path', 'path'],
    ['buildTimeoutMs', 2 ** 31, '2147483648'],
  ])('%s: %o is refused, with what came', (key, value, came) => {
    const problems = problemsOf({ repositories: ['/srv/shop'], [key]: value });
    expect(problems.map((problem) => problem.key.split(/[.[]/)[0])).toContain(key);
    for (const { message } of problems) {
      expect(message).toMatch(/expected|too small|too big/i);
      expect(message).toMatch(came);
    }
  });

  it.each([
    [{ repositorys: ['/srv/shop'] }, '', 'did you mean "repositories"?'],
    [{ domain: ['x.dev'] }, '', '"domain" is no option here; did you mean "domains"?'],
    [{ limits: { memry: '1g' } }, 'limits', 'did you mean "memory"?'],
    [{ portRange: { first: 20_000, last: 20_001, lst: 1 } }, 'portRange', 'did you mean "last"?'],
    [{ repositories: [{ url: '/srv/x', evn: {} }] }, 'repositories[0]', 'did you mean "env"?'],
    [
      { repositories: [{ url: '/srv/x', envFiel: '' }] },
      'repositories[0]',
      'did you mean "envFile"?',
    ],
    [
      { repositories: [{ url: '/srv/x', refs: [{ match: 'x', matches: 'y' }] }] },
      'repositories[0].refs[0]',
      'did you mean "match"?',
    ],
  ])('an unknown key names the nearest known one: %o', (input, key, message) => {
    const problems = problemsOf({ repositories: ['/srv/shop'], ...input });
    expect(problems).toContainEqual({ key, message: expect.stringContaining(message) as string });
  });

  it.each([
    { env: { TOKEN: 5 } },
    { env: { 'TO KEN': 'hunter2' } },
    { env: { POOL_COMMIT: 'hunter2' } },
    { env: { PORT: 'hunter2' } },
    { evn: { TOKEN: 'hunter2' } },
    { env: 'hunter2' },
    { refs: [{ env: { TOKEN: 'hunter2' } }] },
    { refs: { env: { TOKEN: 'hunter2' } } },
    { tokenEnv: 'hunter2' },
    { tokenFile: 'hunter2' },
    { tokenEnv: 'ghp-hunter2' },
  ])('no problem shows a variable that is secret: %o', (repository) => {
    const input = { repositories: [{ url: '/srv/shop', ...repository }] };
    const problems = problemsOf(input);
    expect(problems).not.toEqual([]);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });

  it("a variable that is pool's own is refused with the reason", () => {
    const input = { repositories: [{ url: '/srv/shop', env: { POOL_COMMIT: 'x' } }] };
    expect(problemsOf(input)).toMatchObject([
      { message: 'PORT and POOL_… are set by pool itself' },
    ]);
  });

  it.each(['https://ada:hun@ter2@x/y', 'https://ada:hun/ter2@x/y', 'https://a:hun ter2@x/'])(
    'no problem shows a password that somebody put into a URL: %s',
    (url) => {
      for (const repositories of [[url], [{ url }]]) {
        const problems = problemsOf({ repositories });
        expect(problems).toHaveLength(1);
        expect(JSON.stringify(problems)).not.toContain('ter2');
      }
    },
  );

  it('flags win over the file, and what is relative begins where it was written', () => {
    const values = { repositories: ['shop'], dataDir: 'data', holdMs: 5, listen: '1' };
    const parsed = parseConfig({ listen: '2', dataDir: 'other' }, { path: '/etc/pool.js', values });
    expect(parsed).toMatchObject({
      config: {
        repositories: [{ url: '/etc/shop' }],
        dataDir: resolve('other'),
        holdMs: 5,
        listen: { port: 2 },
      },
    });
  });

  it('a problem says whether the file or a flag made it', () => {
    const parsed = parseConfig(
      { listen: 'x' },
      { path: '/etc/pool.js', values: { repositories: ['/srv/x'], holdMs: -1 } },
    );
    expect(parsed).toEqual({
      problems: [
        { key: 'listen', message: expect.stringContaining('<host>:<port>') as string },
        {
          key: 'holdMs',
          message: expect.stringContaining('came -1') as string,
          file: '/etc/pool.js',
        },
      ],
    });
  });

  it.each([
    [{ limits: { memory: '512m' } }, { limits: { memory: 512 * 2 ** 20, processes: 512 } }],
    [{ capabilities: ['cap_chown', 'SETUID'] }, { capabilities: ['CHOWN', 'SETUID'] }],
    [{ trustedProxies: ['10.0.0.0/8', '::1'] }, { trustedProxies: ['10.0.0.0/8', '::1'] }],
    [{ noindex: false }, { noindex: false }],
  ])('%o is taken', (input, config) => {
    expect(configOf(input)).toMatchObject(config);
  });

  it('a public URL has the first domain', () => {
    const publicUrl = 'https://pool.localhost:8443';
    expect(configOf({ publicUrl }).publicUrl?.href).toBe(`${publicUrl}/`);
    expect(problemsOf({ repositories: ['/srv/x'], publicUrl: 'https://pool.dev' })).toMatchObject([
      { key: 'publicUrl', message: expect.stringContaining('pool.localhost') as string },
    ]);
  });

  it('that nobody knows is refused by its name', () => {
    expect(JSON.stringify(problemsOf({ repositories: ['/srv/shop'], colour: 'red' }))).toContain(
      'colour',
    );
  });

  it('is checked at once, and every problem is told', () => {
    const problems = problemsOf({
      repositories: ['http://x/'],
      listen: 'x',
      domains: ['..'],
      holdMs: -1,
    });
    expect(problems.map(({ key }) => key).toSorted()).toEqual([
      'domains[0]',
      'holdMs',
      'listen',
      'repositories[0].url',
    ]);
    for (const { message } of problems) expect(message).toMatch(/; came /);
  });
});

describe('where submodules may come from', () => {
  it('is a URL, or a path that begins where the configuration stands', () => {
    const submodules = ['https://git.example.com', 'git@git.example.com:team/', '../libs', '/srv/'];
    const [repository] = configOf({
      repositories: [{ url: '/srv/shop', submodules }],
    }).repositories;
    const [web, ssh] = submodules;
    expect(repository?.submodules).toEqual([web, ssh, resolve('../libs'), '/srv']);
  });

  it.each([
    '/',
    '',
    'libs',
    'http://git.example.com/team',
    'https://user@git.example.com/team',
    'https://git.example.com/team/../other',
    'ext::sh -c x',
    'file:///srv/libs',
    '*',
  ])('is never %s', (prefix) => {
    const problems = problemsOf({ repositories: [{ url: '/srv/shop', submodules: [prefix] }] });
    expect(problems).toMatchObject([{ key: 'repositories[0].submodules[0]' }]);
  });
});
