import { join } from 'node:path';
import { expect, it } from 'vitest';
import { destinationOf } from '../../../src/address/host.ts';
import { toRepositoryName } from '../../../src/address/label.ts';
import { controlPlane } from '../../../src/preview/control-plane.ts';
import type { Previews } from '../../../src/preview/previews.ts';
import { History } from '../../../src/mirror/history.ts';
import { CommitSet } from '../../../src/mirror/commit-set.ts';
import { Mirror, PATIENCE } from '../../../src/mirror/mirror.ts';
import { parseRefs, RefTable } from '../../../src/mirror/ref-table.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { NEVER } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();
const OTHER = toRepositoryName('docs') ?? expect.fail();
const variables = async () => await Promise.resolve([]);

/** Asks what labels stand for, and starts nothing. */
function visitor(mirrors: ReadonlyMap<typeof NAME, Mirror>) {
  const none = { get: () => undefined } as unknown as Previews;
  const freshness = { refreshMs: 1000, knownWaitMs: 0, unknownWaitMs: 0 };
  const history = new History(NEVER);
  const control = controlPlane(mirrors, none, history, variables, freshness, () => {}, NEVER);
  return async (label: string) => {
    const head = { httpVersion: '1.1', hosts: [`${label}.pool.localhost`], target: '/' };
    const to = destinationOf(head, ['pool.localhost']);
    if (to.kind !== 'preview') throw new Error('the host names no preview');
    return await control.visit(to.address, false);
  };
}

it('what several repositories know is listed by what was asked for, and a near name with its repository', async () => {
  const one = 'abcdef01'.padEnd(40, '0');
  const refs = parseRefs(['refs/heads/main', one, 'commit', '', ''].join('\0'));
  const table = new RefTable(refs, CommitSet.parse(one));
  const mirror = { table, copied: true, triedAt: 0 } as unknown as Mirror;
  const visit = visitor(new Map([NAME, OTHER].map((name) => [name, mirror])));
  expect(await visit('main---3000')).toEqual({
    kind: 'ambiguous',
    choices: [
      { name: 'branch main of shop', label: 'main---shop---3000' },
      { name: 'branch main of docs', label: 'main---docs---3000' },
    ],
  });
  expect(await visit('abcdef0')).toMatchObject({
    choices: [
      { name: 'commit abcdef010000 of shop', label: 'abcdef0---shop' },
      { name: 'commit abcdef010000 of docs', label: 'abcdef0---docs' },
    ],
  });
  expect(await visit('mian---docs')).toMatchObject({
    near: [{ name: 'branch main of docs', label: 'main---docs' }],
  });
});

it('a repository that was never fetched is not told as an empty one', async () => {
  using folder = new TemporaryFolder();
  const url = join(folder.path, 'nothing');
  const patience = { ...PATIENCE, firstMs: 0 };
  const mirror = await Mirror.open({ name: NAME, url }, folder.path, NEVER, patience);
  await mirror.refresh(NEVER);
  expect(await visitor(new Map([[NAME, mirror]]))('main')).toMatchObject({
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
