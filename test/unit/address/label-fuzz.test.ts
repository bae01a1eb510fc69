import { expect, it } from 'vitest';
import { destinationOf } from '../../../src/address/host.ts';
import { formatLabel, parseLabel } from '../../../src/address/label.ts';
import { slug } from '../../../src/address/slug.ts';
import { hostileText } from '../fixtures/hostile-text.ts';
import { seeded } from '../fixtures/numbers.ts';

const SEED = 20_261_120;
const WORD = /^[a-z0-9]+(-[a-z0-9]+)*$/;

it(`fifty thousand labels of hyphens and letters (seed ${SEED}) are parts of the grammar, or a sentence`, () => {
  const random = seeded(SEED);
  let parsed = 0;
  for (let round = 0; round < 50_000; round++) {
    const length = Math.floor(random() * 30);
    const label = Array.from({ length }, () => '---aA09zx.'[Math.floor(random() * 10)]).join('');
    const parts = parseLabel(label);
    if (typeof parts === 'string') {
      expect(parts).toMatch(/^[a-z"].*[a-z0-9]$/);
      continue;
    }
    parsed += 1;
    const { ref, repository, port } = parts;
    expect(ref, label).toMatch(WORD);
    if (repository !== undefined) expect(repository, label).toMatch(WORD);
    if (port !== undefined) expect(port, label).toBeGreaterThan(0);
    const written = formatLabel(ref, repository, port);
    if (written !== undefined) expect(parseLabel(written), label).toEqual(parts);
  }
  expect(parsed).toBeGreaterThan(1000);
});

it(`ten thousand hostile texts (seed ${SEED}) as hosts are answered in order, and as names become slugs`, () => {
  const random = seeded(SEED);
  for (let round = 0; round < 10_000; round++) {
    const text = hostileText(random);
    const head = { httpVersion: '1.1', hosts: [`${text}.pool.dev`], target: text };
    const destination = destinationOf(head, ['pool.dev']);
    if (destination.kind === 'refused') expect([400, 404, 421]).toContain(destination.status);
    else if (destination.kind === 'preview') expect(destination.address.ref).toMatch(WORD);
    expect(slug(text)).toMatch(WORD);
    expect(slug(text).length).toBeLessThanOrEqual(40);
  }
});
