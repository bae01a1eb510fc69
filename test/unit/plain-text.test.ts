import { describe, expect, it } from 'vitest';
import { LineSplitter, plainLine, plainText } from '../../src/plain-text.ts';

const ESC = '\u001B';
const BEL = '\u0007';
const ST = `${ESC}\\`;

describe('a hostile line becomes harmless text', () => {
  it.each([
    ['text', 'plain text', 'plain text'],
    ['umlauts and emoji', 'größe 🐛', 'größe 🐛'],
    ['a tab', 'a\tb', 'a\tb'],
    ['blanks at the end', 'a  ', 'a'],
    ['nothing', '', ''],
    ['colours', `${ESC}[1;31mred${ESC}[0m`, 'red'],
    ['colours of 24 bits', `${ESC}[38;2;1;2;3mred${ESC}[m`, 'red'],
    ['colours with colons', `${ESC}[38:2:1:2:3mred`, 'red'],
    ['cursor moves', `${ESC}[2J${ESC}[1;1Ha`, 'a'],
    ['private modes', `${ESC}[?25la${ESC}[?25h`, 'a'],
    ['a sequence that is cut', `a${ESC}[`, 'a'],
    ['an escape that is cut', `a${ESC}`, 'a'],
    ['a character set', `${ESC}(Ba`, 'a'],
    ['a reset', `${ESC}ca`, 'a'],
    ['a link, ended by BEL', `${ESC}]8;;http://evil.example/${BEL}click${ESC}]8;;${BEL}`, 'click'],
    ['a link, ended by ST', `${ESC}]8;;http://evil.example/${ST}click${ESC}]8;;${ST}`, 'click'],
    ['a link that never ends', `a${ESC}]8;;http://evil.example/`, 'a'],
    ['a window title', `${ESC}]0;root@host${BEL}a`, 'a'],
    ['the clipboard', `${ESC}]52;c;cm0gLXJm${BEL}a`, 'a'],
    ['a device control string', `${ESC}P1$r0m${ST}a`, 'a'],
    ['an application command', `${ESC}_Gf=24;AAAA${ST}a`, 'a'],
    ['a privacy message', `${ESC}^secret${ST}a`, 'a'],
    ['C1 codes', '\u009B31mred\u009B0m', 'red'],
    ['a C1 link', '\u009D8;;http://evil.example/\u009Cclick', 'click'],
    ['other C1 codes', 'a\u0085b\u0080c', 'abc'],
    ['a bell', `a${BEL}b`, 'ab'],
    ['a backspace', 'a\bb', 'ab'],
    ['NUL and DEL', 'a\0b\u007Fc', 'abc'],
    ['form feed and vertical tab', 'a\fb\vc', 'abc'],
    ['right to left', 'a\u202Eb\u202Cc', 'abc'],
    ['isolates', 'a\u2066b\u2069c', 'abc'],
    ['marks of direction', 'a\u200Eb\u200Fc\u061Cd', 'abcd'],
    ['line separators', 'a\u2028b\u2029c', 'abc'],
    ['a progress bar', ' 10%\r 50%\r100%', '100%'],
    ['a progress bar that ends with a return', ' 10%\r100%\r', '100%'],
    ['CRLF', 'a\r', 'a'],
    ['markup', '<script>alert(1)</script>&amp;', '<script>alert(1)</script>&amp;'],
    ['colours around markup', `${ESC}[31m<b>${ESC}[0m`, '<b>'],
  ])('%s', (_, line, text) => {
    expect(plainLine(line)).toBe(text);
  });

  it('and a long one is cut', () => {
    const text = plainLine('x'.repeat(1_000_000));
    expect(text.length).toBeLessThan(17_000);
    expect(text).toMatch(/x … \(line cut\)$/);
  });

  it('and takes no time to speak of, whatever it is made of', () => {
    const pieces = [
      `${ESC}]`,
      `${ESC}[`,
      '\u009D',
      '\u009B',
      '\r',
      `${ESC}[0`,
      `${ESC}P`,
      `${ESC} `,
      '0;',
    ];
    const begun = process.cpuUsage();
    for (const piece of pieces) plainLine(piece.repeat(20_000));
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1000).toBeLessThan(300);
  });

  it('and no control comes through, of all there are', () => {
    const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCodePoint(code));
    const text = all.map((letter) => plainLine(`a${letter}b`)).join('');
    expect(text).not.toMatch(
      /[\u0000-\u0008\u000A-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/,
    );
  });
});

it('several lines stay several', () => {
  expect(plainText(`a\r\n${ESC}[31mb\n\nc`)).toBe('a\nb\n\nc');
});

describe('output that comes in pieces', () => {
  const text = `first\n${ESC}[31msecond${ESC}[0m\n\n10%\r20%\nlast`;
  const lines = ['first', 'second', '', '20%', 'last'];

  it.each([1, 2, 3, 7, 100])('of %i letters is cut into the same lines', (size) => {
    const splitter = new LineSplitter();
    const told: string[] = [];
    for (let at = 0; at < text.length; at += size)
      told.push(...splitter.push(text.slice(at, at + size)));
    told.push(...splitter.flush());
    expect(told).toEqual(lines);
    expect(splitter.flush()).toEqual([]);
  });

  it('and never ends a line is not kept for ever', () => {
    const splitter = new LineSplitter();
    for (let index = 0; index < 1000; index++)
      expect(splitter.push('x'.repeat(10_000))).toEqual([]);
    const [line = ''] = splitter.flush();
    expect(line.length).toBeLessThan(17_000);
    expect(line).toMatch(/\(line cut\)$/);
  });
});
