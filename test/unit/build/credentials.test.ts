import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AskHelper } from '../../../src/build/credential-helpers.ts';
import { loginsOf, readLogins } from '../../../src/build/credentials.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

const SECRET = 'swordfish';
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** The logins of a file with this text, and of this helper. */
function fixture(file: string, env: NodeJS.ProcessEnv = {}, askHelper?: AskHelper) {
  const folder = new TemporaryFolder();
  mkdirSync(join(folder.path, '.docker'));
  writeFileSync(join(folder.path, '.docker/config.json'), file);
  const logins = readLogins({ HOME: folder.path, ...env }, askHelper);
  return { logins, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

const ADA = { username: 'ada', password: SECRET };

describe('the login of a registry', () => {
  it.each([
    [
      'as docker login writes it',
      { auths: { 'r.example:5000': { auth: base64(`ada:${SECRET}`) } } },
      'r.example:5000',
      ADA,
    ],
    [
      'of one that is written as a URL',
      { auths: { 'https://r.example/v1/': { auth: base64(`ada:${SECRET}`) } } },
      'r.example',
      ADA,
    ],
    [
      'of Docker Hub',
      { auths: { 'https://index.docker.io/v1/': { auth: base64(`ada:${SECRET}`) } } },
      'docker.io',
      ADA,
    ],
    [
      'with a colon in it',
      { auths: { r: { auth: base64('ada:a:b') } } },
      'r',
      { username: 'ada', password: 'a:b' },
    ],
    [
      'that is a token',
      { auths: { r: { auth: base64('x:'), identitytoken: SECRET } } },
      'r',
      { identitytoken: SECRET },
    ],
    [
      'of another registry is none',
      { auths: { 'r.example': { auth: base64(`ada:${SECRET}`) } } },
      'r.example.evil',
      undefined,
    ],
    [
      'of its port is none',
      { auths: { 'r.example': { auth: base64(`ada:${SECRET}`) } } },
      'r.example:5000',
      undefined,
    ],
    ['that is garbage is none', { auths: { r: { auth: '%%%' } } }, 'r', undefined],
  ])('%s', async (_, file, host, login) => {
    using opened = fixture(JSON.stringify(file));
    expect(await opened.logins(host)).toEqual(login);
  });

  it('is none without a file, and out of $DOCKER_CONFIG where that is set', async () => {
    expect(await readLogins({ HOME: '/nowhere' })('r')).toBeUndefined();
    using opened = fixture('not read', { DOCKER_CONFIG: '/nowhere' });
    expect(await opened.logins('r')).toBeUndefined();
  });

  it('of a file that cannot be read is a failure that shows nothing of it', async () => {
    using opened = fixture(`{ "auths": ${SECRET}`);
    await expect(opened.logins('r')).rejects.toThrow('config.json cannot be read');
    await expect(opened.logins('r')).rejects.not.toThrow(SECRET);
  });
});

/** A helper that tells which one it is; the one that is called none has no login. */
const helper = async (name: string, host: string) =>
  await Promise.resolve(name === 'none' ? undefined : { username: name, password: host });

describe('the helper that is asked', () => {
  it.each([
    ['for one registry', { credHelpers: { r: 'one' }, credsStore: 'all' }, 'r', 'one'],
    ['for all others', { credHelpers: { r: 'one' }, credsStore: 'all' }, 's', 'all'],
    [
      'for Docker Hub, under its old name',
      { credHelpers: { 'https://index.docker.io/v1/': 'one' }, credsStore: 'all' },
      'docker.io',
      'one',
    ],
  ])('%s', async (_, file, host, username) => {
    using opened = fixture(JSON.stringify(file), {}, helper);
    expect(await opened.logins(host)).toEqual({ username, password: host });
  });

  it('and knows none leaves it to the file', async () => {
    const file = { credsStore: 'none', auths: { s: { auth: base64(`ada:${SECRET}`) } } };
    using opened = fixture(JSON.stringify(file), {}, helper);
    expect(await opened.logins('s')).toEqual(ADA);
  });
});

it("a build is handed the logins that there are, Docker Hub's under its old name", async () => {
  const logins = async (host: string) => await Promise.resolve(host === 'r' ? undefined : ADA);
  expect(await loginsOf(['r', 's', 'docker.io'], logins, new Map())).toEqual({
    s: ADA,
    'https://index.docker.io/v1/': ADA,
  });
});

it('a login that cannot be looked up is missing, and why is kept for who needs it', async () => {
  const broken = new Error('broken');
  const problems = new Map<string, Error>();
  const logins = async (host: string) =>
    await (host === 'r' ? Promise.reject(broken) : Promise.resolve(ADA));
  expect(await loginsOf(['r', 's'], logins, problems)).toEqual({ s: ADA });
  expect([...problems]).toEqual([['r', broken]]);
});
