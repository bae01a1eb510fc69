import { expect, it } from 'vitest';
import type { Section } from '../../../bench/benchmark.ts';
import { sectionText, withSection } from '../../../bench/report.ts';
import { alternating, ratios, spreadOf } from '../../../bench/rounds.ts';

const SECTION: Section = {
  how: 'By hand and by pool, in turns.',
  tables: [{ header: ['who', 'ms'], rows: [['pool', '3']] }],
  goals: [
    { what: 'first byte', must: 'at most 5 ms', got: '3 ms', reached: true },
    { what: 'memory', must: 'printed', got: '9 MB' },
  ],
  notSaid: 'Everything else.',
  contestants: ['nginx 1.22.1'],
};

const EMPTY = `# Figures

<!-- bench:summary -->

<!-- /bench:summary -->
`;

it('a section is put between its markers, again too, and the summary names its goals once', () => {
  const once = withSection(EMPTY, 'speed', 'Speed', sectionText(SECTION, 'here'));
  const twice = withSection(once, 'speed', 'Speed', sectionText(SECTION, 'here'));
  expect(twice).toBe(once);
  expect(once.split('| first byte | at most 5 ms | 3 ms | ✓ |')).toHaveLength(3);
  expect(once.split('## Speed')).toHaveLength(2);
  const other = withSection(once, 'size', 'Size', sectionText({ ...SECTION, goals: [] }, 'here'));
  expect(other.split('| memory | printed | 9 MB |  |')).toHaveLength(3);
});

it('contestants take turns, and each of them begins', async () => {
  const order: string[] = [];
  const enter = async (name: string) => order.push(name);
  const results = await alternating(2, { a: () => enter('a'), b: () => enter('b') });
  expect(order).toEqual(['a', 'b', 'b', 'a']);
  expect(results).toEqual({ a: [1, 4], b: [2, 3] });
});

it('a ratio is the median of the rounds, not the ratio of medians', () => {
  expect(spreadOf(ratios([2, 30, 4], [1, 10, 4]))).toEqual({ median: 2, least: 1, most: 3 });
});
