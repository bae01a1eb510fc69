import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { toRepositoryName } from '../../src/address/label.ts';
import { bindStages, type StageParts } from '../../src/stages.ts';
import { COMMIT } from './fixtures/fake-control.ts';
import { fakeEngine } from './fixtures/fake-engine.ts';
import { NEVER } from './fixtures/until.ts';

const repository = toRepositoryName('shop') ?? expect.fail();

it('a rebuild that the engine refuses leaves no context half-read', async () => {
  await using fake = await fakeEngine((_, response) => response.writeHead(500).end());
  const { engine } = fake;
  const config = { buildTimeoutMs: 1000 };
  const stages = bindStages({ engine, instance: 'test', config } as StageParts);
  const stream = new PassThrough();
  const context = { stream, dockerfile: 'Dockerfile', target: undefined, args: {} };
  const recipe = { digest: 'd'.repeat(64), base: undefined, asksForCommit: false, notes: [] };
  const listener = { lines: () => {}, progress: () => {} };
  const wanted = { repository, commit: COMMIT };
  const built = stages.buildImage(wanted, recipe, context, { pull: false }, listener, NEVER);
  await expect(built).rejects.toThrow(Error);
  expect(stream.destroyed).toBe(true);
});
