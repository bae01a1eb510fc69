import { describe, expect, it } from 'vitest';
import {
  commitLabel,
  formatLabel,
  parseLabel,
  toPort,
  toRepositoryName,
} from '../../../src/address/label.ts';
import { seeded } from '../fixtures/numbers.ts';

const ID = '0123456789abcdef0123456789abcdef01234567';
const LONG_ID = '0123456789abcdef'.repeat(4);
const NAME_30 = 'abcdefghij-abcdefghij-abcdefgh';

describe('a label is read as its parts', () => {
  it.each([
    ['main', { ref: 'main' }],
    ['MAIN', { ref: 'main' }],
    [ID, { ref: ID }],
    ['main---docs', { ref: 'main', repository: 'docs' }],
    ['main---8080', { ref: 'main', port: 8080 }],
    ['main---1', { ref: 'main', port: 1 }],
    ['main---65535', { ref: 'main', port: 65_535 }],
    ['main---docs---80', { ref: 'main', repository: 'docs', port: 80 }],
    ['feature-login---my-shop---3000', { ref: 'feature-login', repository: 'my-shop', port: 3000 }],
    ['a--b', { ref: 'a-b' }],
    ['a--b--c---docs', { ref: 'a-b-c', repository: 'docs' }],
    ['2024', { ref: '2024' }],
    ['80---80', { ref: '80', port: 80 }],
    ['main---8080a', { ref: 'main', repository: '8080a' }],
    ['xn--mnchen-3ya', { ref: 'xn-mnchen-3ya' }],
    [`main---${NAME_30}`, { ref: 'main', repository: NAME_30 }],
  ])('%s', (label, parts) => {
    expect(parseLabel(label)).toEqual(parts);
  });
});

describe('a label is refused in words', () => {
  it.each([
    ['', /letters, digits and hyphens/],
    ['a_b', /letters, digits and hyphens/],
    ['a.b', /letters, digits and hyphens/],
    ['ä', /letters, digits and hyphens/],
    ['a b', /letters, digits and hyphens/],
    ['main\n', /letters, digits and hyphens/],
    ['-', /neither begins nor ends/],
    ['-main', /neither begins nor ends/],
    ['main-', /neither begins nor ends/],
    ['main---', /neither begins nor ends/],
    ['---docs', /neither begins nor ends/],
    ['a----b', /four hyphens/],
    ['a-----b', /four hyphens/],
    ['a---b----80', /four hyphens/],
    ['main---0', /1 to 65535/],
    ['main---65536', /1 to 65535/],
    ['main---99999999999999999999', /1 to 65535/],
    ['main---docs---0', /1 to 65535/],
    ['main---80---docs', /third part of a label is a port/],
    ['main---docs---shop', /third part of a label is a port/],
    ['main---80---80', /cannot be the name of a repository/],
    ['main---docs---80---x', /at most three parts/],
    ['a---b---c---d---e', /at most three parts/],
    ['main---my--shop', /cannot be the name of a repository/],
    [`main---${NAME_30}x`, /cannot be the name of a repository/],
  ])('%s', (label, reason) => {
    expect(parseLabel(label)).toMatch(reason);
  });
});

describe('the name of a repository', () => {
  it.each(['a', '0a', 'my-shop', 'a-1-b', NAME_30])('may be %s', (name) => {
    expect(toRepositoryName(name)).toBe(name);
  });

  it.each([
    '',
    '1',
    '2024',
    '-a',
    'a-',
    'a--b',
    'A',
    'ä',
    'a.b',
    'a/b',
    '..',
    `${NAME_30}x`,
    'a\n',
  ])('is never "%s"', (name) => {
    expect(toRepositoryName(name)).toBeUndefined();
  });
});

describe('a port', () => {
  it.each([
    ['1', 1],
    ['65535', 65_535],
  ])('may be %s', (digits, port) => {
    expect(toPort(digits)).toBe(port);
  });

  it.each(['', '0', '00', '65536', '-1', '+1', '1.5', '1e3', '0x50', ' 80', '80 ', '٨٠'])(
    'is never "%s"',
    (digits) => {
      expect(toPort(digits)).toBeUndefined();
    },
  );
});

describe("pool's own labels", () => {
  it.each([
    ['main', undefined, undefined, 'main'],
    ['main', 'docs', undefined, 'main---docs'],
    ['main', undefined, 80, 'main---80'],
    ['main', 'docs', 80, 'main---docs---80'],
  ])('%s, %s, %s are written as one reads them', (ref, repository, port, label) => {
    expect(formatLabel(ref, repository, port)).toBe(label);
    expect(parseLabel(label)).toEqual({
      ref,
      ...(repository === undefined ? {} : { repository }),
      ...(port === undefined ? {} : { port }),
    });
  });

  it.each([
    ['xn', 'docs', undefined],
    ['xn', undefined, 80],
    ['a'.repeat(64), undefined, undefined],
    ['a'.repeat(40), 'b'.repeat(21), undefined],
  ])('are not made of %s, %s, %s, which no browser could spell', (ref, repository, port) => {
    expect(formatLabel(ref, repository, port)).toBeUndefined();
  });

  it.each([
    ['40 digits alone', ID, undefined, undefined, ID],
    ['40 digits and a short name', ID, 'docs', undefined, `${ID}---docs`],
    ['40 digits and a name of 20', ID, 'a'.repeat(20), undefined, `${ID}---${'a'.repeat(20)}`],
    [
      '40 digits and a name of 21',
      ID,
      'a'.repeat(21),
      undefined,
      `${ID.slice(0, 39)}---${'a'.repeat(21)}`,
    ],
    ['40 digits and a name of 30', ID, NAME_30, undefined, `${ID.slice(0, 30)}---${NAME_30}`],
    [
      '40 digits, a name of 30 and a port',
      ID,
      NAME_30,
      65_535,
      `${ID.slice(0, 22)}---${NAME_30}---65535`,
    ],
    ['64 digits alone', LONG_ID, undefined, undefined, LONG_ID.slice(0, 63)],
    [
      '64 digits and a name of 30',
      LONG_ID,
      NAME_30,
      undefined,
      `${LONG_ID.slice(0, 30)}---${NAME_30}`,
    ],
  ])('carry as much of the id as fits: %s', (_, id, repository, port, label) => {
    expect(commitLabel(id, repository, port)).toBe(label);
    expect(label.length).toBeLessThanOrEqual(63);
    expect(parseLabel(label)).toMatchObject({ ref: label.split('---')[0] });
  });
});

describe('ten thousand hostile labels', () => {
  const random = seeded(2015);
  const letters = 'ab01-----.A_ä:%@ \n\0'.split('');
  const labels = Array.from({ length: 10_000 }, () =>
    Array.from({ length: Math.floor(random() * 24) }, () =>
      letters.at(Math.floor(random() * letters.length)),
    ).join(''),
  );
  const plain = labels.map((label) => label.replaceAll(/[^a-z0-9-]/gi, 'a'));

  it('are all read or refused, and every ref let through is a plain name', () => {
    const parsed = [...labels, ...plain].map((label) => parseLabel(label));
    const accepted = parsed.filter((parts) => typeof parts !== 'string');
    expect(accepted.length).toBeGreaterThan(500);
    expect(accepted.filter(({ ref }) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(ref))).toEqual([]);
  });

  it('mean the same when they are written again', () => {
    const parsed = plain.map((label) => parseLabel(label)).filter((one) => typeof one !== 'string');
    const changed = parsed.filter((parts) => {
      const again = formatLabel(parts.ref, parts.repository, parts.port);
      return again !== undefined && JSON.stringify(parseLabel(again)) !== JSON.stringify(parts);
    });
    expect(changed).toEqual([]);
  });
});
