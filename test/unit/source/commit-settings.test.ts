import { describe, expect, it } from 'vitest';
import { parseSettings, readSettings } from '../../../src/source/commit-settings.ts';
import { GitRepository } from '../fixtures/git-repository.ts';
import { NEVER } from '../fixtures/until.ts';

describe('a .pool.yml', () => {
  it('may hold every key', () => {
    const text = `
      dockerfile: deploy/web.Dockerfile
      context: ./web/
      target: run-time
      args: {VERSION: 1.10, EMPTY: }
      port: [3000, 4000]
      env:
        DEBUG: yes
        GREETING: "grüß dich"
      health: /healthz?deep=1
      protocol: h2c
    `;
    expect(parseSettings(text)).toEqual({
      dockerfile: 'deploy/web.Dockerfile',
      context: 'web',
      target: 'run-time',
      args: { VERSION: '1.10', EMPTY: '' },
      port: [3000, 4000],
      env: { DEBUG: 'yes', GREETING: 'grüß dich' },
      health: '/healthz?deep=1',
      protocol: 'h2c',
    });
  });

  it.each([
    ['', {}],
    ['# nothing yet\n', {}],
    ['port: 8080', { port: [8080] }],
    ['context: .', { context: '' }],
  ])('%j is read', (text, settings) => {
    expect(parseSettings(text)).toEqual(settings);
  });

  it.each([
    ['ports: 80', 'unknown key "ports"; did you mean "port"?'],
    ['volumes: [/etc]', 'unknown key "volumes"; it may hold dockerfile, context, target'],
    ['<<: {port: 1}', 'unknown key "<<"'],
    ['dockerfile: ../Dockerfile', 'dockerfile: expected a path inside the commit'],
    ['dockerfile: .', 'dockerfile: expected the path of a file'],
    ['context: /etc', 'context: expected a path inside the commit'],
    ['context: web/../../x', 'context: expected a path inside the commit'],
    ['context:', 'context: expected a path inside the commit'],
    ['target: --x', 'target: expected the name of a stage'],
    ['args: {"a b": 1}', 'args.a b: expected a name of letters, digits and underscores'],
    ['args: {POOL_COMMIT: 1}', "args.POOL_COMMIT: names that begin with POOL_ are pool's own"],
    ['env: {POOL_URL: x}', "env.POOL_URL: names that begin with POOL_ are pool's own"],
    ['env: {PORT: 3}', 'env.PORT: PORT is set by pool; say "port" instead'],
    ['env: {A: {B: c}}', 'env.A: '],
    ['port: 0', 'port: expected a port from 1 to 65535, not "0"'],
    ['port: [80, x]', 'port: expected a port from 1 to 65535, not "x"'],
    ['port: {a: 1}', 'port: expected a port from 1 to 65535, or a list of at most 16'],
    ['env: 3', 'env: expected names with values'],
    ['port: []', 'port: expected a port from 1 to 65535, or a list of at most 16'],
    [`port: [${Array.from({ length: 17 }, (_, at) => at + 1).join()}]`, 'a list of at most 16'],
    ['health: healthz', 'health: expected a path such as /healthz'],
    ['health: "/a b"', 'health: expected a path'],
    ['health: "/\\r\\nHost: x"', 'health: expected a path'],
    ['protocol: h2', 'protocol: expected http or h2c'],
    ['port: 1\nport: 2', 'Map keys must be unique at line 2, column 1'],
    ['port: 1\n---\nport: 2', 'multiple documents'],
    ['a: [', 'at line 1'],
    ['port: !!int 3', 'Unresolved tag'],
    ['env: &a {A: b}\nargs: *a', 'anchors and aliases are not read'],
    ['just words', 'expected keys and values'],
    ['- a', 'expected keys and values'],
    ['['.repeat(8000), 'line 1'],
    ['x: 1\ny: 2', 'unknown key "x"; it may hold'],
  ])('%j is refused in words', (text, words) => {
    let told: unknown;
    try {
      parseSettings(text);
    } catch (error) {
      told = error;
    }
    expect(told).toMatchObject({
      code: 'pool-yml',
      message: expect.stringContaining(words),
      next: expect.stringContaining('new commit'),
    });
    expect((told as Error).message.length).toBeLessThan(1200);
  });
});

describe('of a commit', () => {
  it('the settings are read from the object store, over the defaults of its repository', async () => {
    using repository = new GitRepository();
    const without = await repository.commit({ a: '' });
    const with_ = await repository.commit({ '.pool.yml': 'context: web\nport: 3000\n' });
    const defaults = { context: 'app', dockerfile: 'Dockerfile' };
    expect(await readSettings(repository.gitDir, without, defaults, NEVER)).toEqual(defaults);
    expect(await readSettings(repository.gitDir, with_, defaults, NEVER)).toEqual({
      context: 'web',
      dockerfile: 'Dockerfile',
      port: [3000],
    });
  });

  it('a link is not followed, a folder is none, and a large one is refused', async () => {
    using repository = new GitRepository();
    const link = await repository.commit({ '.pool.yml': { link: '/etc/hostname' } });
    const folder = await repository.commit({ '.pool.yml': undefined, '.pool.yml/a': 'x' });
    const large = await repository.commit({ '.pool.yml': `#${' '.repeat(8192)}` });
    const read = async (commit: typeof link) =>
      await readSettings(repository.gitDir, commit, {}, NEVER);
    await expect(read(link)).rejects.toMatchObject({ code: 'pool-yml' });
    expect(await read(folder)).toEqual({});
    await expect(read(large)).rejects.toMatchObject({
      code: 'pool-yml',
      message: '.pool.yml of this commit cannot be read: it is larger than 8 KiB.',
    });
  });
});
