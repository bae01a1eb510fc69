import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseLabel } from '../../../src/address/label.ts';
import { slug } from '../../../src/address/slug.ts';

const digest = (name: string) => createHash('sha256').update(name).digest('hex').slice(0, 6);

describe('a name as an address spells it', () => {
  it.each([
    ['main', 'main'],
    ['feature/Login', 'feature-login'],
    ['v1.0.2', 'v1-0-2'],
    ['release//2024__x', 'release-2024-x'],
    ['-x-', 'x'],
    ['__x__', 'x'],
    ['a----b', 'a-b'],
    ['Größe', 'gr-e'],
    ['über-uns', 'ber-uns'],
    ['İstanbul', 'i-stanbul'],
    ['fix-🐛-now', 'fix-now'],
    ['a'.repeat(40), 'a'.repeat(40)],
    [`${'a'.repeat(40)}!`, 'a'.repeat(40)],
  ])('%s', (name, spelled) => {
    expect(slug(name)).toBe(spelled);
  });

  it('of emoji alone is six digits of its hash', () => {
    expect(slug('🐛🐛')).toBe(digest('🐛🐛'));
    expect(slug('🐛')).not.toBe(slug('🎉'));
  });

  it('of 41 characters keeps 33 and gets six digits of its hash', () => {
    const name = 'b'.repeat(41);
    expect(slug(name)).toBe(`${'b'.repeat(33)}-${digest(name)}`);
  });

  it('that is cut at a hyphen has one hyphen before the digits', () => {
    const name = `${'c'.repeat(32)}/${'d'.repeat(20)}`;
    expect(slug(name)).toBe(`${'c'.repeat(32)}-${digest(name)}`);
  });

  it('differs for two long names that begin alike', () => {
    const [one, two] = ['1', '2'].map((end) => slug(`feature/${'x'.repeat(60)}${end}`));
    expect(one).not.toBe(two);
  });

  it('takes the digits from the whole name, in the case that git spells', () => {
    expect(slug('E'.repeat(41))).not.toBe(slug('e'.repeat(41)));
  });

  it.each(['main', 'a/b', '🐛', 'ä'.repeat(50), 'x-'.repeat(40), 'A'.repeat(200)])(
    'is what a label of %s is read as',
    (name) => {
      expect(slug(name).length).toBeLessThanOrEqual(40);
      expect(parseLabel(slug(name))).toEqual({ ref: slug(name) });
    },
  );
});
