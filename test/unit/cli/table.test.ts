import { describe, expect, it } from 'vitest';
import { table } from '../../../src/cli/table.ts';

describe('a table', () => {
  it('has its columns below one another, and no space at the end of a line', () => {
    const text = table(
      ['A', 'LONG', 'C'],
      [
        ['one', '2', ''],
        ['1', 'two', 'x'],
      ],
      80,
    );
    expect(text).toBe('A    LONG  C\none  2\n1    two   x\n');
  });

  it('without rows is empty', () => {
    expect(table(['A'], [], 80)).toBe('');
  });

  it('fits into the terminal', () => {
    expect(table(['A', 'B'], [['1', 'x'.repeat(100)]], 10)).toBe('A  B\n1  xxxxxx…\n');
  });

  it('makes hostile text plain', () => {
    const text = table(['A', 'B'], [['\u001B[2Jx\n', '\u202Eevil\u0007']], 80);
    expect(text).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u202E]/);
    expect(text.split('\n')).toHaveLength(3);
  });
});
