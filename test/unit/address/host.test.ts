import { describe, expect, it } from 'vitest';
import { Destinations, destinationOf, type RequestHead } from '../../../src/address/host.ts';
import { seeded } from '../fixtures/numbers.ts';

const DOMAINS = ['pool.dev', 'pool.localhost', 'team.pool.dev'];
const LABEL_63 = 'a'.repeat(63);
const NAME_254 = `${'a'.repeat(60)}.`.repeat(4) + `${'b'.repeat(1)}.pool.dev`;

const remembered = new Destinations(DOMAINS);

/** What a head means: the same the first time, and once its Host was seen on an ordinary request. */
function at(host: string, more: Partial<RequestHead> = {}) {
  const plain = { httpVersion: '1.1', hosts: [host], target: '/' };
  const head = { ...plain, ...more };
  const told = destinationOf(head, DOMAINS);
  remembered.of({ ...plain, hosts: head.hosts.slice(0, 1) });
  expect(remembered.of(head)).toEqual(told);
  return told;
}

describe('a Host that names a preview is accepted', () => {
  it.each([
    ['as it is', 'main.pool.dev', 'main', 'pool.dev'],
    ['in upper case', 'MAIN.Pool.DEV', 'main', 'pool.dev'],
    ['with one trailing dot', 'main.pool.dev.', 'main', 'pool.dev'],
    ['with a port', 'main.pool.dev:8080', 'main', 'pool.dev:8080'],
    ['with a trailing dot and a port', 'main.pool.dev.:8080', 'main', 'pool.dev:8080'],
    ['on the other domain', 'main.pool.localhost', 'main', 'pool.localhost'],
    ['with a label of 63', `${LABEL_63}.pool.dev`, LABEL_63, 'pool.dev'],
    ['below labels of the application', 'www.admin.main.pool.dev', 'main', 'pool.dev'],
    ['on the longest of two domains that fit', 'main.team.pool.dev', 'main', 'team.pool.dev'],
  ])('%s', (_, host, ref, site) => {
    expect(at(host)).toMatchObject({ kind: 'preview', address: { ref, label: ref, site } });
  });

  it('with a repository and a port of the container', () => {
    expect(at('main---docs---3000.pool.dev')).toMatchObject({
      address: { ref: 'main', repository: 'docs', port: 3000, label: 'main---docs---3000' },
    });
  });

  it.each([
    ['http://main.pool.dev/path?x=http://other/', 'main.pool.dev'],
    ['http://MAIN.pool.dev', 'main.pool.dev'],
    ['https://main.pool.dev:8443/', 'main.pool.dev:8443'],
    ['http://main.pool.dev?x', 'main.pool.dev'],
  ])('with the absolute target %s that equals it', (target, host) => {
    expect(at(host, { target })).toMatchObject({ kind: 'preview', address: { ref: 'main' } });
  });

  it.each(['/path/http://other.dev/', '*', '//other.dev/'])(
    'where the target %s is not absolute',
    (target) => {
      expect(at('main.pool.dev', { target })).toMatchObject({ kind: 'preview' });
    },
  );

  it('on HTTP/1.0 when it was sent', () => {
    expect(at('main.pool.dev', { httpVersion: '1.0' })).toMatchObject({ kind: 'preview' });
  });
});

describe('the bare domain is the desk', () => {
  it.each([
    ['pool.dev', 'pool.dev'],
    ['POOL.dev.', 'pool.dev'],
    ['pool.localhost:8080', 'pool.localhost:8080'],
    ['team.pool.dev', 'team.pool.dev'],
  ])('%s', (host, site) => {
    expect(at(host)).toEqual({ kind: 'desk', site });
  });
});

describe('a Host that is wrong is answered with 400', () => {
  it.each([
    ['missing on HTTP/1.1', { hosts: [] }],
    ['two of them', { hosts: ['main.pool.dev', 'main.pool.dev'] }],
    ['two of them on HTTP/1.0', { httpVersion: '1.0', hosts: ['main.pool.dev', 'x'] }],
    ['empty', { hosts: [''] }],
    ['only a port', { hosts: [':80'] }],
    ['userinfo', { hosts: ['user@main.pool.dev'] }],
    ['userinfo with a password', { hosts: ['user:pass@main.pool.dev'] }],
    ['a comma', { hosts: ['main.pool.dev,other.pool.dev'] }],
    ['a comma and a space', { hosts: ['main.pool.dev, other.pool.dev'] }],
    ['non-ASCII letters', { hosts: ['mäin.pool.dev'] }],
    ['letters that lower-case to ASCII', { hosts: ['main.pool.dev'.replace('p', 'ℙ')] }],
    ['the Kelvin sign', { hosts: ['\u212Aain.pool.dev'] }],
    ['a space', { hosts: ['ma in.pool.dev'] }],
    ['a tab at the end', { hosts: ['main.pool.dev\t'] }],
    ['a NUL', { hosts: ['main\0.pool.dev'] }],
    ['a newline at the end', { hosts: ['main.pool.dev\n'] }],
    ['a slash', { hosts: ['main.pool.dev/x'] }],
    ['a percent sign', { hosts: ['main%2epool.dev'] }],
    ['an absolute target that differs', { target: 'http://other.pool.dev/' }],
    ['an absolute target with another port', { target: 'http://main.pool.dev:81/' }],
    ['an absolute target with userinfo', { target: 'http://user@main.pool.dev/' }],
    ['an absolute target of another domain', { target: 'HTTP://evil.example/' }],
    ['an empty label in the middle', { hosts: ['main..pool.dev'] }],
    ['an empty label in front', { hosts: ['.pool.dev'] }],
    ['two trailing dots', { hosts: ['main.pool.dev..'] }],
    ['a dot alone', { hosts: ['.'] }],
    ['a label of 64', { hosts: [`${LABEL_63}a.pool.dev`] }],
    ['a label of 64 further left', { hosts: [`${LABEL_63}a.main.pool.dev`] }],
    ['a name over 253', { hosts: [NAME_254] }],
    ['a port over 65535', { hosts: ['main.pool.dev:65536'] }],
    ['a port that is a word', { hosts: ['main.pool.dev:http'] }],
    ['two ports', { hosts: ['main.pool.dev:80:80'] }],
    ['an open bracket', { hosts: ['[::1'] }],
  ] satisfies [string, Partial<RequestHead>][])('%s', (_, more) => {
    const told = at('main.pool.dev', more);
    expect(told).toMatchObject({ kind: 'refused', status: 400 });
  });

  it('counts a name of just 253 as one', () => {
    const name = `${'a'.repeat(61)}.`.repeat(3) + `${'b'.repeat(58)}.pool.dev`;
    expect(name).toHaveLength(253);
    expect(at(name)).toMatchObject({ kind: 'preview' });
    expect(NAME_254.length).toBeGreaterThan(253);
  });
});

describe('a Host that is not served here is answered with 421', () => {
  it.each([
    ['unknown domain', { hosts: ['example.org'] }],
    ['a name that only ends alike', { hosts: ['main.whirlpool.dev'] }],
    ['the domain as a part', { hosts: ['main.pool.dev.example.org'] }],
    ['one label', { hosts: ['localhost'] }],
    ['an IPv4 literal', { hosts: ['127.0.0.1'] }],
    ['an IPv4 literal with a port', { hosts: ['127.0.0.1:8080'] }],
    ['an IPv6 literal', { hosts: ['[::1]'] }],
    ['an IPv6 literal with a port', { hosts: ['[2001:db8::1]:8080'] }],
    ['HTTP/1.0 without Host', { httpVersion: '1.0', hosts: [] }],
  ] satisfies [string, Partial<RequestHead>][])('%s', (_, more) => {
    expect(at('', more)).toMatchObject({ kind: 'refused', status: 421 });
  });
});

describe('a label that the grammar refuses is answered with 404', () => {
  it.each([
    'a----b.pool.dev',
    '-a.pool.dev',
    'a-.pool.dev',
    'a_b.pool.dev',
    'main---0.pool.dev',
    'main---80---docs.pool.dev',
    'www.a----b.pool.dev',
  ])('%s', (host) => {
    expect(at(host)).toMatchObject({ kind: 'refused', status: 404 });
  });
});

describe('ten thousand hostile hosts', () => {
  const random = seeded(2014);
  const words =
    'main pool.dev pool.localhost . .. - -- --- ---- : :80 @ , / \\ % [ ] ::1 127.0.0.1';
  const strange = 'xn-- ä \u212A 😀 \uD800 \u202E A 0 65536 _ * ? # \t \0 \r\n';
  const pieces = [...words.split(' '), ...strange.split(' '), ' ', LABEL_63];
  const hosts = Array.from({ length: 10_000 }, () =>
    Array.from({ length: 1 + Math.floor(random() * 7) }, () =>
      pieces.at(Math.floor(random() * pieces.length)),
    ).join(''),
  ).map((host, index) => (index % 2 === 0 ? `${host}.pool.dev` : host));

  it('are all answered, and every ref let through is a plain name', () => {
    const kinds = new Set<string>();
    const odd = hosts.filter((host) => {
      const told = at(host);
      kinds.add(told.kind === 'refused' ? String(told.status) : told.kind);
      if (told.kind !== 'preview') return false;
      const { ref, repository = 'a', port = 1, site } = told.address;
      return !(
        /^[a-z0-9]+(-[a-z0-9]+)*$/.test(ref) &&
        /^[a-z0-9]+(-[a-z0-9]+)*$/.test(repository) &&
        Number.isInteger(port) &&
        port >= 1 &&
        port <= 65_535 &&
        /^(team\.)?pool\.(dev|localhost)(:[0-9]{1,5})?$/.test(site)
      );
    });
    expect(odd).toEqual([]);
    expect([...kinds].toSorted()).toEqual(['400', '404', '421', 'desk', 'preview']);
  });
});
