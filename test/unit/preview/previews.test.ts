import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { Journal } from '../../../src/preview/journal.ts';
import type { Stages, Wanted } from '../../../src/preview/make-preview.ts';
import { previewId } from '../../../src/preview/preview.ts';
import { Previews } from '../../../src/preview/previews.ts';
import type { Vitals } from '../../../src/run/containers.ts';
import type { CommitId } from '../../../src/mirror/commit-id.ts';
import { BUILT, COMMIT, endpointAt } from '../fixtures/fake-control.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { NEVER, until } from '../fixtures/until.ts';

const WANTED = { repository: toRepositoryName('shop') ?? expect.fail(), commit: COMMIT };
const ENDPOINT = endpointAt(20_000);
const ENDED: Vitals = { running: false, exitCode: 137, outOfMemory: false };

/** Previews with one that is ready; whatever is asked of the engine and of the routes is noted. */
async function openReady(vitals: () => Vitals | Error) {
  const folder = new TemporaryFolder();
  const journal = new Journal(join(folder.path, 'journal'), () => {});
  const calls: string[] = [];
  const noted = async <Result>(name: string, result: Result): Promise<Result> => {
    calls.push(name);
    return await Promise.resolve(result);
  };
  const containers = {
    list: async () => await noted('list', []),
    lastLines: async () => await noted('lastLines', []),
    remove: async () => await noted('remove', undefined),
    unpause: async () => await noted('unpause', undefined),
    vitals: async () => {
      const found = await noted('vitals', vitals());
      if (found instanceof Error) throw found;
      return found;
    },
  };
  const routes = {
    publish: ({ generation }: { generation: number }) => calls.push(`publish ${generation}`),
    withdraw: () => calls.push('withdraw'),
  };
  const stages = {
    holdContainer: (endpoint: typeof ENDPOINT) => ({
      endpoint,
      keep: () => {},
      [Symbol.asyncDispose]: async () => await Promise.resolve(),
    }),
    awaitReady: async () => await Promise.resolve(ENDPOINT),
    readSettings: async (_: Wanted, over: AbortSignal) => await once(over, 'abort'),
    clearAway: async () => await Promise.resolve(),
  } as unknown as Stages;
  const previews = new Previews(stages, containers, routes, folder.path, journal, () => {}, NEVER);
  const preview = previews.of(WANTED);
  await preview.adopt(ENDPOINT, BUILT);
  await until('its health is asked for', () => calls.includes('vitals'));
  calls.length = 0;
  return {
    previews,
    preview,
    calls,
    [Symbol.dispose]() {
      journal[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

describe('when a container dies', () => {
  it('its route goes before the engine is asked anything, and its ports after that', async () => {
    using fixture = await openReady(() => ENDED);
    const died = fixture.previews.containerDied(ENDPOINT.containerId);
    expect(fixture.calls[0], 'at once').toBe('withdraw');
    await died;
    expect(fixture.calls).toEqual(['withdraw', 'lastLines', 'vitals', 'withdraw', 'remove']);
    expect(fixture.preview.state.phase).toBe('cold');
  });

  it('in the middle of a rebuild, visitors wait for that, which goes on', async () => {
    using fixture = await openReady(() => ENDED);
    const { previews, preview, calls } = fixture;
    preview.rebuild({ pull: true });
    calls.length = 0;
    await previews.containerDied(ENDPOINT.containerId);
    expect(calls).toEqual(['withdraw', 'lastLines', 'vitals', 'withdraw', 'remove']);
    expect([preview.state.phase, preview.busy]).toEqual(['cold', true]);
    expect(previews.happened(preview.id)[0]).toMatchObject({ what: 'cooled', why: 'ended' });
    await preview.cancel();
    expect(preview.state).toMatchObject({ phase: 'failed', failure: { code: 'cancelled' } });
  });

  it('and runs again on the same ports, it gets a route of a new generation', async () => {
    using fixture = await openReady(() => ({ ...ENDED, running: true }));
    await fixture.previews.containerDied(ENDPOINT.containerId);
    expect(fixture.calls.slice(0, 4)).toEqual(['withdraw', 'lastLines', 'vitals', 'publish 2']);
    expect(fixture.preview.state.phase).toBe('ready');
  });

  it('and the engine does not say why, it is cold, and not served as if nothing had been', async () => {
    let away = false;
    using fixture = await openReady(() => (away ? new Error('the engine is away') : ENDED));
    away = true;
    await fixture.previews.containerDied(ENDPOINT.containerId);
    expect(fixture.calls).not.toContain('publish 2');
    expect(fixture.preview.state.phase).toBe('cold');
  });
});

it('what a HEALTHCHECK says is shown, and takes no connection away', async () => {
  const health = { status: 'unhealthy', output: 'ill' } as const;
  using fixture = await openReady(() => ({ ...ENDED, running: true, health }));
  await fixture.previews.healthChanged(ENDPOINT.containerId);
  expect(fixture.preview.state).toMatchObject({ phase: 'ready', health });
  expect(fixture.calls, 'no route is published anew').toEqual(['vitals']);
});

function wanted(number: number): Wanted {
  const commit = number.toString(16).padStart(40, '0') as CommitId;
  return { repository: WANTED.repository, commit };
}

it('of ten thousand the oldest that is cold is forgotten, and none that is more', async () => {
  using fixture = await openReady(() => ENDED);
  const { previews, preview } = fixture;
  for (let number = 0; number < 10_005; number++) previews.of(wanted(number));
  expect([...previews.all()]).toHaveLength(10_000);
  expect(previews.get(preview.id)).toBe(preview);
  expect(previews.get(previewId(wanted(5)))).toBeUndefined();
  expect(previews.get(previewId(wanted(6)))).toBeDefined();
});
