import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  HELPER_PATIENCE,
  hostOf,
  loginsOf,
  readLogins,
  registryOf,
} from '../../../src/build/credentials.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { until } from '../fixtures/until.ts';

const SECRET = 'swordfish';
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** The logins of a file with this text, and of helpers that are these scripts. */
function fixture(
  file: string,
  helpers: Record<string, string> = {},
  env: NodeJS.ProcessEnv = {},
  patience = HELPER_PATIENCE,
) {
  const folder = new TemporaryFolder();
  mkdirSync(join(folder.path, '.docker'));
  writeFileSync(join(folder.path, '.docker/config.json'), file);
  for (const [name, script] of Object.entries(helpers)) {
    const path = join(folder.path, `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const PATH = `.:${folder.path}:/usr/bin:/bin`;
  const logins = readLogins({ HOME: folder.path, PATH, ...env }, patience);
  return { logins, folder: folder.path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
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
    using opened = fixture('not read', {}, { DOCKER_CONFIG: '/nowhere' });
    expect(await opened.logins('r')).toBeUndefined();
  });

  it('of a file that cannot be read is a failure that shows nothing of it', async () => {
    using opened = fixture(`{ "auths": ${SECRET}`);
    await expect(opened.logins('r')).rejects.toThrow('config.json cannot be read');
    await expect(opened.logins('r')).rejects.not.toThrow(SECRET);
  });
});

/** A helper that tells what it was asked. */
const says = (username: string) =>
  `read host; echo '{"ServerURL":"'$host'","Username":"${username}","Secret":"'$1-$host'"}'`;

describe('a helper', () => {
  it.each([
    [
      'for one registry',
      { credHelpers: { r: 'one' }, credsStore: 'all' },
      'r',
      { username: 'one', password: 'get-r' },
    ],
    [
      'for all others',
      { credHelpers: { r: 'one' }, credsStore: 'all' },
      's',
      { identitytoken: 'get-s' },
    ],
    [
      'that knows none leaves it to the file',
      { credsStore: 'none', auths: { s: { auth: base64(`ada:${SECRET}`) } } },
      's',
      ADA,
    ],
    [
      'is asked for Docker Hub by its old name',
      { credsStore: 'all' },
      'docker.io',
      { identitytoken: 'get-https://index.docker.io/v1/' },
    ],
  ])('%s', async (_, file, host, login) => {
    const none = 'echo "credentials not found in native keychain"; exit 1';
    const helpers = { one: says('one'), all: says('<token>'), none };
    using opened = fixture(JSON.stringify(file), helpers);
    expect(await opened.logins(host)).toEqual(login);
  });

  it.each([
    [
      'that fails',
      'broken',
      'docker-credential-broken failed when it was asked for the login of r',
    ],
    ['that answers garbage', 'garbage', 'docker-credential-garbage failed'],
    ['that is not there', 'missing', 'docker-credential-missing is not on the PATH'],
    ['whose name leads elsewhere', '../../bin/sh', 'is not on the PATH'],
  ])('%s is said, without a word of it', async (_, credsStore, message) => {
    const helpers = {
      broken: `echo ${SECRET}; echo ${SECRET} >&2; exit 1`,
      garbage: `echo ${SECRET}`,
    };
    using opened = fixture(JSON.stringify({ credsStore }), helpers);
    await expect(opened.logins('r')).rejects.toThrow(message);
    await expect(opened.logins('r')).rejects.not.toThrow(SECRET);
  });

  it('is asked once by all who want to know at one time, and anew by those who come later', async () => {
    const count = `echo asked >>$HOME/count; sleep 0.1; ${says('ada')}`;
    using opened = fixture(JSON.stringify({ credsStore: 'slow' }), { slow: count });
    const hundred = Array.from({ length: 100 }, async () => await opened.logins('r'));
    expect(new Set((await Promise.all(hundred)).map((one) => JSON.stringify(one))).size).toBe(1);
    const asked = () =>
      readFileSync(join(opened.folder, 'count'), 'utf8').split('asked').length - 1;
    expect(asked()).toBe(1);
    await opened.logins('r');
    expect(asked()).toBe(2);
  });

  it('that hangs is ended with all that it started, and rests before it is asked again', async () => {
    const mark = `sleep 9${Math.floor(Math.random() * 1e6)}`;
    const hangs = `echo asked >>$HOME/count; ${mark} & wait`;
    const patience = { limitMs: 150, restMs: 300 };
    using opened = fixture(JSON.stringify({ credsStore: 'hangs' }), { hangs }, {}, patience);
    const words = 'docker-credential-hangs did not answer within 0.15 s when it was asked for';
    const hundred = Array.from({ length: 100 }, async () => await opened.logins('r'));
    for (const one of await Promise.allSettled(hundred)) {
      expect(one).toMatchObject({ reason: { message: expect.stringContaining(words) as string } });
    }
    await expect(opened.logins('r')).rejects.toThrow(words);
    expect(readFileSync(join(opened.folder, 'count'), 'utf8')).toBe('asked\n');
    await until('what it started is gone', () => !commandLines().includes(mark));
    writeFileSync(join(opened.folder, 'docker-credential-hangs'), `#!/bin/sh\n${says('ada')}\n`);
    await until('it is asked again', async () => {
      const login = await opened.logins('r').catch(() => undefined);
      return login !== undefined;
    });
  });
});

function commandLines(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    } catch {
      return '';
    }
  });
}

it.each([
  ['busybox', 'docker.io'],
  ['library/busybox:1', 'docker.io'],
  ['ghcr.io/team/app@sha256:0', 'ghcr.io'],
  ['localhost/app', 'localhost'],
  ['127.0.0.1:5000/app:1', '127.0.0.1:5000'],
  ['index.docker.io/app', 'docker.io'],
])('the registry of %s is %s', (reference, host) => {
  expect(registryOf(reference)).toBe(host);
  expect(hostOf(`https://${host}/v2/`)).toBe(host);
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
