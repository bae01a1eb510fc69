import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { credentialHelpers, HELPER_PATIENCE } from '../../../src/build/credential-helpers.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { until } from '../fixtures/until.ts';

const SECRET = 'swordfish';

/** Asks helpers that are these scripts. */
function fixture(helpers: Record<string, string>, patience = HELPER_PATIENCE) {
  const folder = new TemporaryFolder();
  for (const [name, script] of Object.entries(helpers)) {
    const path = join(folder.path, `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const PATH = `.:${folder.path}:/usr/bin:/bin`;
  const ask = credentialHelpers({ HOME: folder.path, PATH }, patience);
  return { ask, folder: folder.path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

/** A helper that tells what it was asked. */
const says = (username: string) =>
  `read host; echo '{"ServerURL":"'$host'","Username":"${username}","Secret":"'$1-$host'"}'`;

describe('a helper', () => {
  it.each([
    ['that knows a login', 'one', 'r', { username: 'one', password: 'get-r' }],
    ['that knows a token', 'all', 's', { identitytoken: 'get-s' }],
    ['that knows none', 'none', 's', undefined],
    [
      'is asked for Docker Hub by its old name',
      'all',
      'docker.io',
      { identitytoken: 'get-https://index.docker.io/v1/' },
    ],
  ])('%s', async (_, name, host, login) => {
    const none = 'echo "credentials not found in native keychain"; exit 1';
    using opened = fixture({ one: says('one'), all: says('<token>'), none });
    expect(await opened.ask(name, host)).toEqual(login);
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
  ])('%s is said, without a word of it', async (_, name, message) => {
    const helpers = {
      broken: `echo ${SECRET}; echo ${SECRET} >&2; exit 1`,
      garbage: `echo ${SECRET}`,
    };
    using opened = fixture(helpers);
    await expect(opened.ask(name, 'r')).rejects.toThrow(message);
    await expect(opened.ask(name, 'r')).rejects.not.toThrow(SECRET);
  });

  it('is asked once by all who want to know at one time, and anew by those who come later', async () => {
    const count = `echo asked >>$HOME/count; sleep 0.1; ${says('ada')}`;
    using opened = fixture({ slow: count });
    const hundred = Array.from({ length: 100 }, async () => await opened.ask('slow', 'r'));
    expect(new Set((await Promise.all(hundred)).map((one) => JSON.stringify(one))).size).toBe(1);
    const asked = () =>
      readFileSync(join(opened.folder, 'count'), 'utf8').split('asked').length - 1;
    expect(asked()).toBe(1);
    await opened.ask('slow', 'r');
    expect(asked()).toBe(2);
  });

  it('that hangs is ended with all that it started, and rests before it is asked again', async () => {
    const mark = `sleep 9${Math.floor(Math.random() * 1e6)}`;
    const hangs = `echo asked >>$HOME/count; ${mark} & wait`;
    const patience = { limitMs: 400, restMs: 500 };
    using opened = fixture({ hangs }, patience);
    const words = 'docker-credential-hangs did not answer within 0.4 s when it was asked for';
    const hundred = Array.from({ length: 100 }, async () => await opened.ask('hangs', 'r'));
    for (const one of await Promise.allSettled(hundred)) {
      expect(one).toMatchObject({ reason: { message: expect.stringContaining(words) as string } });
    }
    await expect(opened.ask('hangs', 'r')).rejects.toThrow(words);
    expect(readFileSync(join(opened.folder, 'count'), 'utf8')).toBe('asked\n');
    await until('what it started is gone', () => !commandLines().includes(mark), 5000);
    writeFileSync(join(opened.folder, 'docker-credential-hangs'), `#!/bin/sh\n${says('ada')}\n`);
    await until(
      'it is asked again',
      async () => {
        const login = await opened.ask('hangs', 'r').catch(() => undefined);
        return login !== undefined;
      },
      10_000,
    );
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
