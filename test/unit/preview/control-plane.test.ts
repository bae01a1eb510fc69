import { join } from 'node:path';
import { expect, it } from 'vitest';
import { destinationOf } from '../../../src/address/host.ts';
import { toRepositoryName } from '../../../src/address/label.ts';
import { controlPlane } from '../../../src/preview/control-plane.ts';
import type { Previews } from '../../../src/preview/previews.ts';
import { History } from '../../../src/mirror/history.ts';
import { Mirror, PATIENCE } from '../../../src/mirror/mirror.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();
const variables = async () => await Promise.resolve([]);

it('a repository that was never fetched is not told as an empty one', async () => {
  using folder = new TemporaryFolder();
  const url = join(folder.path, 'nothing');
  const patience = { ...PATIENCE, firstMs: 0 };
  const mirror = await Mirror.open({ name: NAME, url }, folder.path, NEVER, patience);
  await mirror.refresh(NEVER);
  const none = {} as Previews;
  const freshness = { refreshMs: 1000, knownWaitMs: 0, unknownWaitMs: 0 };
  const mirrors = new Map([[NAME, mirror]]);
  const history = new History(NEVER);
  const control = controlPlane(mirrors, none, history, variables, freshness, () => {}, NEVER);
  const head = { httpVersion: '1.1', hosts: ['main.pool.localhost'], target: '/' };
  const to = destinationOf(head, ['pool.localhost']);
  if (to.kind !== 'preview') throw new Error('the host names no preview');
  expect(await control.visit(to.address, false)).toMatchObject({
    kind: 'refused',
    failure: {
      code: 'repository-unreadable',
      message: expect.stringMatching(
        /^The repository shop could not be fetched yet: .*nothing.*\.$/,
      ),
      next: expect.stringContaining('Pool asks again by itself'),
    },
  });
});
