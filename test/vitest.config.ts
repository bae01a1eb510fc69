import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));

export default defineConfig({
  // Node itself runs the code: nothing is lowered, `await using` least of all.
  oxc: { target: 'esnext' },
  test: {
    projects: [
      {
        extends: true,
        root,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/tidy.test.ts'],
          // A worker less than there are processors, as usual, would be one on two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          // What hangs is found a little later; what a busy machine delays is no failure.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        root,
        test: {
          name: 'engine',
          include: ['test/engine/**/*.test.ts'],
          globalSetup: ['test/engine/global-setup.ts'],
          // One engine serves them all.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
