import { describe, expect, it } from 'vitest';
import { LineSplitter, plainLine } from '../../src/plain-text.ts';
import { HOSTILE_BYTES, HOSTILE_LINES, NEVER_SHOWN } from './fixtures/hostile-lines.ts';

describe('of a hostile line only harmless text is shown', () => {
  it.each(HOSTILE_LINES)('$what', ({ line, shown }) => {
    expect(plainLine(line)).toBe(shown);
    expect(plainLine(shown), 'and it stays as it is when it is made plain again').toBe(shown);
    expect(shown).not.toMatch(NEVER_SHOWN);
  });

  it('the corpus names each once', () => {
    expect(new Set(HOSTILE_LINES.map(({ what }) => what)).size).toBe(HOSTILE_LINES.length);
  });
});

describe('of bytes that are no text', () => {
  it.each(HOSTILE_BYTES)('$what', ({ bytes, shown }) => {
    expect(plainLine(new TextDecoder().decode(bytes))).toBe(shown);
  });

  it('the same is shown wherever a piece of them ended', () => {
    const all = Buffer.concat(HOSTILE_BYTES.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]));
    const wanted = HOSTILE_BYTES.map(({ shown }) => shown);
    for (let cut = 0; cut <= all.length; cut++) {
      const decoder = new TextDecoder();
      const splitter = new LineSplitter();
      const pieces = [all.subarray(0, cut), all.subarray(cut)];
      const lines = pieces.flatMap((piece) =>
        splitter.push(decoder.decode(piece, { stream: true })),
      );
      expect(lines, `cut at ${cut}`).toEqual(wanted);
    }
  });
});
