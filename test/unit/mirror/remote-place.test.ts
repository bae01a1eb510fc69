import { describe, expect, it } from 'vitest';
import {
  isBelow,
  likelyPrefix,
  resolveRemote,
  toRemotePlace,
} from '../../../src/mirror/remote-place.ts';

describe('a remote is below a prefix', () => {
  it.each([
    ['https://git.example/org/lib.git', 'https://git.example/org/'],
    ['https://git.example/org/lib.git', 'https://git.example/org'],
    ['https://git.example/org/lib.git', 'https://git.example'],
    ['https://GIT.example:443/org/lib', 'https://git.example/org/'],
    ['https://git.example/org/lib.git/', 'https://git.example/org/lib.git'],
    ['https://git.example/org/sub/lib', 'https://git.example/org/'],
    ['git@git.example:org/lib.git', 'git@git.example:org/'],
    ['git@git.example:/srv/lib.git', 'ssh://git@git.example/srv'],
    ['ssh://git@git.example:22/org/lib', 'ssh://git@git.example/org'],
    ['ssh://git@[::1]:2222/org/lib', 'ssh://git@[::1]:2222/org'],
    ['/srv/git/lib.git', '/srv/git'],
  ])('%s below %s', (url, prefix) => {
    expect(isBelow(url, prefix)).toBe(true);
  });
});

describe('a remote is not below a prefix', () => {
  it.each([
    ['https://git.example/organ/lib.git', 'https://git.example/org'],
    ['https://git.example/orglib', 'https://git.example/org'],
    ['https://git.example/lib', 'https://git.example/org/lib'],
    ['https://git.example/Org/lib', 'https://git.example/org'],
    ['https://git.example/org/../other/lib', 'https://git.example/org/'],
    ['https://git.example/org/./lib', 'https://git.example/org/'],
    ['https://git.example/org/%2e%2e/other', 'https://git.example/org/'],
    ['https://git.example/org//lib', 'https://git.example/org/'],
    ['https://git.example/org\\..\\other', 'https://git.example/org/'],
    ['https://git.example/org/?x=/../other', 'https://git.example/org/'],
    ['https://git.example/org/#/../other', 'https://git.example/org/'],
    ['https://git.example/org/\nlib', 'https://git.example/org/'],
    ['https://git.example@evil.example/org/lib', 'https://git.example/org/'],
    ['https://git.example:x@evil.example/org/lib', 'https://git.example/org/'],
    ['https://git.example.evil.example/org/lib', 'https://git.example/org/'],
    ['https://git.example:8443/org/lib', 'https://git.example/org/'],
    ['http://git.example/org/lib', 'https://git.example/org/'],
    ['HTTPS://git.example/org/lib', 'https://git.example/org/'],
    ['ssh://-x@git.example/org/lib', 'ssh://-x@git.example/org/'],
    ['ssh://git.example/org/lib', 'https://git.example/org/'],
    ['ssh://root@git.example/org/lib', 'ssh://git@git.example/org/'],
    ['ssh://-oProxyCommand=x/org/lib', 'ssh://git@git.example/org/'],
    ['git@git.example:org/lib', 'ssh://git@git.example/org/'],
    ['git@git.example:-oProxyCommand=x/lib', 'git@git.example:'],
    ['ext::sh -c x', '/srv'],
    ['file:///srv/lib', '/srv'],
    ['--upload-pack=x', '/srv'],
    ['srv/lib', '/srv'],
    ['/srv/../etc', '/srv'],
    ['/srv', '/srv/lib'],
    ['', '/srv'],
    [`https://git.example/org/${'a'.repeat(500)}`, 'https://git.example/org/'],
  ])('%s not below %s', (url, prefix) => {
    expect(isBelow(url, prefix)).toBe(false);
  });
});

describe('a relative URL begins where the repository is', () => {
  it.each([
    ['../lib.git', 'https://git.example/org/app.git', 'https://git.example/org/lib.git'],
    ['../lib.git', 'https://git.example/org/app.git/', 'https://git.example/org/lib.git'],
    ['../../other/lib', 'https://git.example/org/app', 'https://git.example/other/lib'],
    ['./lib', '/srv/app', '/srv/app/lib'],
    ['../lib', '/srv/app', '/srv/lib'],
    ['.././lib', '/srv/app', '/srv/lib'],
    ['../lib', 'git@git.example:org/app.git', 'git@git.example:org/lib'],
    ['../../other/lib', 'git@git.example:org/app.git', 'git@git.example:other/lib'],
    ['https://git.example/lib', '/srv/app', 'https://git.example/lib'],
    ['/srv/lib', 'https://git.example/app', '/srv/lib'],
  ])('%s from %s is %s', (url, base, resolved) => {
    expect(resolveRemote(url, base)).toBe(resolved);
  });

  it('and one that climbs out of its server is no remote', () => {
    const out = resolveRemote('../../../../evil.example/lib', 'https://git.example/org/app');
    expect(toRemotePlace(out)).toBeUndefined();
  });
});

it('the prefix that is proposed covers the remote and its neighbours, and no whole server', () => {
  const proposed = {
    'https://git.example/org/lib.git': 'https://git.example/org/',
    'git@git.example:org/lib.git': 'git@git.example:org/',
    '/srv/git/lib.git': '/srv/git/',
    'https://git.example/lib.git': 'https://git.example/lib.git',
    'git@git.example:lib.git': 'git@git.example:lib.git',
  };
  for (const [url, prefix] of Object.entries(proposed)) {
    expect(likelyPrefix(url)).toBe(prefix);
    expect(isBelow(url, prefix)).toBe(true);
  }
});
