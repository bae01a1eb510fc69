import { describe, expect, it } from 'vitest';
import { logfmt } from '../../src/logger.ts';
import { HOSTILE_BYTES, HOSTILE_LINES, NEVER_SHOWN } from './fixtures/hostile-lines.ts';

function logged(...fields: readonly object[]): string {
  const lines: string[] = [];
  logfmt((line) => lines.push(line))('event', ...fields);
  return lines.join('').replace(/^\S+ /, '');
}

describe('one event is one line', () => {
  it.each([
    ['a word', { a: 'b' }, 'a=b'],
    ['several words', { a: 'b c' }, 'a="b c"'],
    ['nothing', { a: '' }, 'a=""'],
    ['a number', { a: 1 }, 'a=1'],
    ['a word beside what is not there', { a: 'b', notes: undefined }, 'a=b'],
    ['quotes', { a: '"' }, String.raw`a="\""`],
    ['an equals sign', { a: 'b=c' }, 'a="b=c"'],
    ['lines', { a: 'b\nc\rd' }, String.raw`a="b\nc\rd"`],
    ['a colour', { a: '\u001B[31mred' }, String.raw`a="\u001b[31mred"`],
    ['an 8-bit colour', { a: '\u009B31mred' }, String.raw`a="\u009b31mred"`],
    ['right to left', { a: 'b\u202Ec' }, String.raw`a="b\u202ec"`],
    ['a tag', { a: 'b\u{E0041}' }, String.raw`a="b\udb40\udc41"`],
    ['a list', { a: ['b c'] }, String.raw`a="[\"b c\"]"`],
  ])('with %s', (_, fields, text) => {
    expect(logged(fields)).toBe(`event ${text}\n`);
  });

  it('whatever is in it, and a terminal obeys nothing of it', () => {
    const texts = [
      ...HOSTILE_LINES.map(({ line }) => line),
      ...HOSTILE_BYTES.map((one) => one.shown),
    ];
    for (const text of texts) {
      for (const value of [text, new Error(text), { text }, [text]]) {
        const line = logged({ value });
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(line).not.toMatch(NEVER_SHOWN);
        expect(line).not.toMatch(/[\p{Join_Control}\t]/v);
      }
    }
  });
});
