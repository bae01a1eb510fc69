import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as tick, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { BuildLog } from '../../../src/build/build-log.ts';
import { PreviewError } from '../../../src/errors.ts';
import type { Stages } from '../../../src/preview/make-preview.ts';
import { Preview } from '../../../src/preview/preview.ts';
import type { PreviewEvent, PreviewState } from '../../../src/preview/state.ts';
import { BUILT, COMMIT, endpointAt } from '../fixtures/fake-control.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { NEVER, until } from '../fixtures/until.ts';

const WANTED = { repository: toRepositoryName('shop') ?? expect.fail(), commit: COMMIT };
const ENDPOINT = endpointAt(20_000);
const IMAGE = { id: 'sha256:1', build: BUILT };
const RECIPE = { digest: 'd'.repeat(64), base: 'busybox', asksForCommit: false, notes: [] };

/** A preview whose stages do nothing but note that they were asked, unless a test says otherwise. */
function openPreview(
  stages: Partial<Stages> = {},
  closing = NEVER,
  heard: (preview: Preview) => void = () => {},
) {
  const folder = new TemporaryFolder();
  const calls: string[] = [];
  const phases: PreviewState['phase'][] = [];
  const logged: string[] = [];
  const fake: Stages = {
    readSettings: async () => await Promise.resolve({}),
    findImage: async () => await Promise.resolve(undefined),
    madeElsewhere: () => undefined,
    pullImage: async () => await Promise.resolve(undefined),
    readRecipe: async () => await Promise.resolve(RECIPE),
    shareImage: async () => await Promise.resolve(undefined),
    queue: async (_, __, build) => {
      preview.tell({ type: 'queued', position: 1 });
      return await build();
    },
    openContext: async () =>
      await Promise.resolve({
        dockerfile: 'Dockerfile',
        target: undefined,
        args: {},
        stream: Readable.from([]),
      }),
    buildImage: async (_, __, ___, rebuild, to) => {
      if (rebuild !== undefined) calls.push(`pull: ${rebuild.pull}`);
      to.lines(['[1/1] RUN make']);
      to.progress({ step: 'RUN make', steps: 1, cached: 0 });
      return await Promise.resolve(IMAGE);
    },
    startContainer: async () =>
      await Promise.resolve({
        endpoint: ENDPOINT,
        keep: () => {
          calls.push('keep');
          return ENDPOINT;
        },
        [Symbol.asyncDispose]: async () => {
          calls.push('dispose');
          await Promise.resolve();
        },
      }),
    holdContainer: (endpoint) => ({
      endpoint,
      keep: () => calls.push('keep'),
      [Symbol.asyncDispose]: async () => {
        calls.push('dispose');
        await Promise.resolve();
      },
    }),
    awaitReady: async (_, { endpoint }) => await Promise.resolve(endpoint),
    replaceImage: async () => await Promise.resolve('sha256:0'),
    clearAway: async (_, old) => {
      calls.push(`old: ${old}`);
      await Promise.resolve();
    },
    ...stages,
  };
  const counted = Object.fromEntries(
    Object.entries(fake).map(([name, stage]) => [
      name,
      async (...args: unknown[]) => {
        calls.push(name);
        return await (stage as (...args: unknown[]) => Promise<unknown>)(...args);
      },
    ]),
  ) as unknown as Stages;
  // The only stages that are no promise.
  counted.madeElsewhere = (wanted) => fake.madeElsewhere(wanted);
  counted.holdContainer = (endpoint) => fake.holdContainer(endpoint);
  const log = new BuildLog(join(folder.path, 'log'), () => logged.push('log-lost'));
  const cooled: string[] = [];
  const onState = (changed: Preview, entered?: PreviewEvent) => {
    const { phase } = changed.state;
    if (entered?.type === 'cooled') cooled.push(entered.why);
    if (phases.at(-1) !== phase) phases.push(phase);
    heard(changed);
  };
  const preview = new Preview(
    WANTED,
    counted,
    log,
    onState,
    (event) => logged.push(event),
    closing,
  );
  return {
    preview,
    calls,
    phases,
    cooled,
    logged,
    count: (name: keyof Stages) => calls.filter((call) => call === name).length,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

const idle = async ({ preview }: { preview: Preview }) =>
  await until('nobody is at work', () => !preview.busy);

/** Rejects when the signal aborts, as a stage does that is stopped. */
async function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason as Error));
  return await promise;
}

describe('a visit', () => {
  it('leads from a commit to an endpoint', async () => {
    using fixture = openPreview();
    const { preview, phases, calls } = fixture;
    preview.visit();
    expect(await preview.settled(NEVER)).toMatchObject({
      phase: 'ready',
      endpoint: ENDPOINT,
      build: BUILT,
    });
    await idle(fixture);
    expect(phases).toEqual(['queued', 'building', 'starting', 'ready']);
    expect(calls).toEqual([
      'readSettings',
      'findImage',
      'readRecipe',
      'shareImage',
      'queue',
      'shareImage',
      'openContext',
      'buildImage',
      'startContainer',
      'awaitReady',
      'keep',
      'dispose',
    ]);
    expect(await preview.log.read()).toBe('[1/1] RUN make\n');
  });

  it('takes the image that is there, and waits in no queue for it', async () => {
    using fixture = openPreview({
      findImage: async () => await Promise.resolve({ id: 'sha256:1', build: { reused: true } }),
    });
    fixture.preview.visit();
    expect(await fixture.preview.settled(NEVER)).toMatchObject({
      phase: 'ready',
      build: { reused: true },
    });
    expect(fixture.phases).toEqual(['starting', 'ready']);
    expect(fixture.count('queue')).toBe(0);
  });

  it('takes the image of an earlier commit with its recipe, and waits in no queue for it', async () => {
    const build = { reused: true, how: 'recipe', from: 'f'.repeat(40) } as const;
    using fixture = openPreview({
      shareImage: async () => await Promise.resolve({ id: 'sha256:1', build }),
    });
    fixture.preview.visit();
    expect(await fixture.preview.settled(NEVER)).toMatchObject({ phase: 'ready', build });
    expect(fixture.phases).toEqual(['starting', 'ready']);
    expect([fixture.count('queue'), fixture.count('buildImage')]).toEqual([0, 0]);
  });

  it('looks again when its turn comes, and builds nothing that was built meanwhile', async () => {
    let looked = 0;
    const build = { reused: true, how: 'recipe', from: 'f'.repeat(40) } as const;
    using fixture = openPreview({
      shareImage: async () => {
        looked += 1;
        return await Promise.resolve(looked === 1 ? undefined : { id: 'sha256:1', build });
      },
    });
    fixture.preview.visit();
    expect(await fixture.preview.settled(NEVER)).toMatchObject({ phase: 'ready', build });
    expect(fixture.phases).toEqual(['queued', 'starting', 'ready']);
    expect(fixture.count('buildImage')).toBe(0);
  });

  it('made a hundred times makes one build', async () => {
    using fixture = openPreview();
    const { preview } = fixture;
    const all = Array.from({ length: 100 }, async (_, index) => {
      if (index % 3 === 0) await tick();
      preview.visit();
      return await preview.settled(NEVER);
    });
    expect((await Promise.all(all)).every(({ phase }) => phase === 'ready')).toBe(true);
    expect(fixture.count('buildImage')).toBe(1);
    expect(fixture.count('startContainer')).toBe(1);
    preview.visit();
    await idle(fixture);
    expect(fixture.count('buildImage')).toBe(1);
  });

  it('that ends early ends nothing', async () => {
    const end = Promise.withResolvers<typeof IMAGE>();
    using fixture = openPreview({ buildImage: async () => await end.promise });
    const { preview } = fixture;
    const left = new AbortController();
    preview.visit();
    const gone = preview.settled(left.signal);
    const stays = preview.settled(NEVER);
    await until('it builds', () => preview.state.phase === 'building');
    left.abort();
    expect((await gone).phase).toBe('building');
    end.resolve(IMAGE);
    expect((await stays).phase).toBe('ready');
  });

  it('knows soon whether there is something to build', async () => {
    const found = Promise.withResolvers<undefined>();
    using fixture = openPreview({ findImage: async () => await found.promise });
    const { preview } = fixture;
    let begun = false;
    preview.visit();
    const looked = preview.begun(NEVER).then(() => (begun = true));
    await tick();
    expect(begun).toBe(false);
    found.resolve(undefined);
    await looked;
    expect(preview.state.phase).not.toBe('cold');
    await idle(fixture);
  });
});

const ofTheCommit = async () =>
  await Promise.reject(new PreviewError('build-failed', 'The step failed.', 'Mend it.'));
const ofOurs = async () =>
  await Promise.reject(new PreviewError('engine-lost', 'The engine went away.', 'Reload.'));

describe('a failure', () => {
  it("of the commit's own is told, and not tried again by a visit", async () => {
    using fixture = openPreview({ buildImage: ofTheCommit });
    const { preview } = fixture;
    preview.visit();
    expect(await preview.settled(NEVER)).toMatchObject({
      phase: 'failed',
      failure: { code: 'build-failed', message: 'The step failed.', next: 'Mend it.', ours: false },
    });
    await idle(fixture);
    preview.visit();
    await tick();
    expect(fixture.count('buildImage')).toBe(1);
    expect(await preview.log.read()).toContain('pool: The step failed.');
    expect(fixture.logged).not.toContain('internal');
  });

  it('of ours is tried again by the next visit, which never meets the old failure', async () => {
    let attempts = 0;
    using fixture = openPreview({
      buildImage: async () => {
        attempts += 1;
        return attempts === 1 ? await ofOurs() : await Promise.resolve(IMAGE);
      },
    });
    const { preview } = fixture;
    preview.visit();
    expect(await preview.settled(NEVER)).toMatchObject({
      phase: 'failed',
      failure: { ours: true },
    });
    await idle(fixture);
    preview.visit();
    expect(preview.state.phase).not.toBe('failed');
    expect(await preview.settled(NEVER)).toMatchObject({ phase: 'ready' });
  });

  it('that settles just now is tried again also by a visit in the same moment', async () => {
    let attempts = 0;
    using fixture = openPreview({
      findImage: async () => {
        attempts += 1;
        return attempts === 1 ? await ofOurs() : await Promise.resolve(IMAGE);
      },
    });
    const { preview } = fixture;
    preview.visit();
    await preview.settled(NEVER);
    preview.visit();
    expect(await preview.settled(NEVER)).toMatchObject({ phase: 'ready' });
  });

  it('is tried again by retry', async () => {
    let attempts = 0;
    using fixture = openPreview({
      buildImage: async () => {
        attempts += 1;
        return attempts === 1 ? await ofTheCommit() : await Promise.resolve(IMAGE);
      },
    });
    const { preview } = fixture;
    preview.retry();
    expect(preview.state.phase).toBe('cold');
    preview.visit();
    await preview.settled(NEVER);
    await idle(fixture);
    preview.retry();
    expect(await preview.settled(NEVER)).toMatchObject({ phase: 'ready' });
    preview.retry();
    expect(preview.state.phase).toBe('ready');
    expect(attempts).toBe(2);
  });

  it('that nobody foresaw is told as internal, and its stack is logged', async () => {
    using fixture = openPreview({
      openContext: async () => await Promise.reject(new TypeError('secret')),
    });
    fixture.preview.visit();
    expect(await fixture.preview.settled(NEVER)).toMatchObject({
      failure: { code: 'internal', ours: true },
    });
    expect(JSON.stringify(fixture.preview.state)).not.toContain('secret');
    expect(fixture.logged).toContain('internal');
  });

  it('after the container was made takes it away', async () => {
    using fixture = openPreview({
      awaitReady: async () =>
        await Promise.reject(new PreviewError('no-answer', 'Nobody answered.', 'Listen.')),
    });
    fixture.preview.visit();
    expect(await fixture.preview.settled(NEVER)).toMatchObject({
      failure: { code: 'no-answer' },
      build: BUILT,
    });
    await idle(fixture);
    expect(fixture.calls.slice(-2)).toEqual(['awaitReady', 'dispose']);
  });
});

const madeElsewhere = () => 'registry.example/shop:1';

describe('an image that CI made', () => {
  it('is taken where there is one, whatever Dockerfile the commit has', async () => {
    const build = { reused: true, pulled: madeElsewhere() } as const;
    using fixture = openPreview({
      madeElsewhere,
      pullImage: async () => await Promise.resolve({ id: 'sha256:1', build }),
      readRecipe: async () => await ofTheCommit(),
    });
    fixture.preview.visit();
    expect(await fixture.preview.settled(NEVER)).toMatchObject({ phase: 'ready', build });
    expect(fixture.phases).toEqual(['queued', 'building', 'starting', 'ready']);
  });

  it('that there is none of is built in its turn, and that is said', async () => {
    using fixture = openPreview({ madeElsewhere });
    fixture.preview.visit();
    const build = { ...BUILT, missing: madeElsewhere() };
    expect(await fixture.preview.settled(NEVER)).toMatchObject({ phase: 'ready', build });
    expect(fixture.phases).toEqual([
      'queued',
      'building',
      'queued',
      'building',
      'starting',
      'ready',
    ]);
    expect(await fixture.preview.log.read()).toContain('no image registry.example/shop:1');
  });

  it('that cannot be had is no reason to build', async () => {
    using fixture = openPreview({ madeElsewhere, pullImage: async () => await ofTheCommit() });
    fixture.preview.visit();
    expect(await fixture.preview.settled(NEVER)).toMatchObject({ phase: 'failed' });
    expect(fixture.count('buildImage')).toBe(0);
  });
});

describe('a rebuild', () => {
  it('looks for no earlier image, and removes what served once the new one answers', async () => {
    using fixture = openPreview({
      awaitReady: async (_, { endpoint }) => {
        if (fixture.preview.state.phase === 'ready') calls.push('serves meanwhile');
        return await Promise.resolve(endpoint);
      },
    });
    const { preview, calls } = fixture;
    preview.visit();
    await preview.settled(NEVER);
    await idle(fixture);
    calls.length = 0;
    expect(preview.rebuild({ pull: true })).toBe(true);
    expect(preview.state).toMatchObject({ phase: 'ready', rebuild: { phase: 'cold' } });
    expect(preview.rebuild({ pull: true }), 'one is under way').toBe(false);
    await preview.done(NEVER);
    expect(preview.state).toMatchObject({ phase: 'ready' });
    expect(preview.state).not.toHaveProperty('rebuild');
    expect(fixture.phases).toEqual(['queued', 'building', 'starting', 'ready']);
    expect(calls).toEqual([
      'readSettings',
      'readRecipe',
      'queue',
      'openContext',
      'buildImage',
      'pull: true',
      'startContainer',
      'awaitReady',
      'serves meanwhile',
      'replaceImage',
      'keep',
      'dispose',
      'clearAway',
      'old: sha256:0',
      'dispose',
    ]);
  });

  it.each(['buildImage', 'awaitReady', 'replaceImage'] as const)(
    'whose %s fails leaves what served, its image and its names',
    async (stage) => {
      let fails = false;
      using fixture = openPreview({
        [stage]: async () => {
          if (fails) await ofTheCommit();
          return stage === 'awaitReady' ? ENDPOINT : IMAGE;
        },
      });
      const { preview, calls, phases } = fixture;
      preview.visit();
      await preview.settled(NEVER);
      await idle(fixture);
      fails = true;
      calls.length = 0;
      preview.rebuild({ pull: true });
      await preview.done(NEVER);
      const failure = { code: 'build-failed' };
      expect(preview.state).toMatchObject({
        phase: 'ready',
        rebuild: { phase: 'failed', failure },
      });
      expect(phases.at(-1)).toBe('ready');
      expect(calls.slice(-2)).toEqual(['clearAway', 'old: undefined']);
      expect(calls).not.toContain('keep');
      preview.tell({ type: 'cooled', why: 'stopped' });
      fails = false;
      preview.visit();
      await preview.settled(NEVER);
      expect(fixture.count('findImage'), 'it is not repeated by a later start').toBe(1);
    },
  );

  it('that is stopped in the middle takes what served along', async () => {
    let builds = 0;
    using fixture = openPreview({
      buildImage: async (...args) =>
        (builds += 1) === 1 ? await Promise.resolve(IMAGE) : await untilAborted(args[5]),
    });
    const { preview } = fixture;
    preview.visit();
    await preview.settled(NEVER);
    await idle(fixture);
    preview.rebuild({ pull: true });
    await until('it builds', () => builds === 2);
    await preview.stop();
    expect([preview.state.phase, preview.busy]).toEqual(['cold', false]);
  });

  it.each([true, false])(
    'that failed is what a retry repeats and tells, until it succeeded once: pull is %s',
    async (pull) => {
      let fails = true;
      const asked: unknown[] = [];
      using fixture = openPreview({
        findImage: async () => await Promise.resolve(IMAGE),
        buildImage: async (...[, , , rebuild]) => {
          asked.push(rebuild);
          return fails ? await ofTheCommit() : await Promise.resolve(IMAGE);
        },
      });
      const { preview } = fixture;
      preview.rebuild({ pull });
      expect(await preview.settled(NEVER)).toMatchObject({ phase: 'failed' });
      await idle(fixture);
      fails = false;
      preview.retry();
      expect(await preview.settled(NEVER)).toMatchObject({ phase: 'ready' });
      await idle(fixture);
      expect([fixture.count('findImage'), fixture.count('buildImage')]).toEqual([0, 2]);
      expect(asked).toEqual([{ pull }, { pull }]);
      expect(fixture.cooled).toEqual(['rebuilt']);
      preview.tell({ type: 'cooled', why: 'stopped' });
      preview.visit();
      await preview.settled(NEVER);
      expect([fixture.count('findImage'), fixture.count('buildImage')]).toEqual([1, 2]);
    },
  );
});

it('a rebuild that failed is given up by a stop: the next visit starts the image that is there', async () => {
  const fixture = openPreview({
    findImage: async () => await Promise.resolve(IMAGE),
    buildImage: async () => await ofTheCommit(),
  });
  const { preview } = fixture;
  preview.rebuild({ pull: true });
  expect(await preview.settled(NEVER)).toMatchObject({ phase: 'failed' });
  await idle(fixture);
  await preview.stop();
  preview.visit();
  expect(await preview.settled(NEVER)).toMatchObject({ phase: 'ready' });
});

describe('cancel', () => {
  it.each([
    'readSettings',
    'findImage',
    'readRecipe',
    'shareImage',
    'queue',
    'openContext',
    'buildImage',
    'startContainer',
    'awaitReady',
  ] as const)('ends %s, and waits for its end', async (stage) => {
    using fixture = openPreview({
      [stage]: async (...args: unknown[]) =>
        await (stage === 'findImage' || stage === 'shareImage'
          ? Promise.resolve(undefined)
          : untilAborted(args.at(-1) as AbortSignal)),
    });
    const { preview } = fixture;
    preview.visit();
    await until('the stage is reached', () => fixture.calls.includes(stage));
    await preview.cancel();
    expect(preview.busy).toBe(false);
    expect(['failed', 'cold', 'ready']).toContain(preview.state.phase);
    expect(preview.state).not.toMatchObject({ failure: { ours: false } });
  });

  it('of what is not under way does nothing', async () => {
    using fixture = openPreview();
    await fixture.preview.cancel();
    expect(fixture.preview.state.phase).toBe('cold');
  });
});

describe('adopt', () => {
  it('goes on with a container that an earlier process started', async () => {
    using fixture = openPreview();
    await fixture.preview.adopt(ENDPOINT, { reused: true });
    expect(fixture.preview.state).toMatchObject({
      phase: 'ready',
      endpoint: ENDPOINT,
      build: { reused: true },
    });
    expect(fixture.calls).toEqual(['awaitReady', 'keep', 'dispose']);
  });

  it('is shared with those who visit meanwhile', async () => {
    using fixture = openPreview();
    const adopted = fixture.preview.adopt(ENDPOINT, { reused: true });
    fixture.preview.visit();
    await adopted;
    expect(fixture.count('startContainer')).toBe(0);
  });

  it('tells a container that does not answer as a failure, and the process goes on', async () => {
    using fixture = openPreview({
      awaitReady: async () =>
        await Promise.reject(new PreviewError('exited', 'It ended.', 'Retry.')),
    });
    await fixture.preview.adopt(ENDPOINT, { reused: true });
    expect(fixture.preview.state).toMatchObject({ phase: 'failed', failure: { code: 'exited' } });
  });
});

describe('states', () => {
  it('begin with the present one, tell the last one, and end with the signal', async () => {
    using fixture = openPreview();
    const { preview } = fixture;
    const controller = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { phase } of preview.states(controller.signal)) seen.push(phase);
    })();
    await until('the present one is told', () => seen.length === 1);
    preview.visit();
    await until('the last one is told', () => seen.at(-1) === 'ready');
    expect(seen[0]).toBe('cold');
    controller.abort();
    await watching;
  });
});

describe('a preview that is stopped', () => {
  it('while it builds tells that to who waits, is cold then, and is made by the next visit', async () => {
    let builds = 0;
    using fixture = openPreview({
      buildImage: async (...args) => {
        builds += 1;
        return builds === 1 ? await untilAborted(args.at(-1) as AbortSignal) : IMAGE;
      },
    });
    const { preview, phases } = fixture;
    preview.visit();
    await until('it builds', () => builds === 1);
    const waiting = preview.settled(NEVER);
    await preview.stop();
    expect(await waiting).toMatchObject({ phase: 'failed', failure: { code: 'cancelled' } });
    expect(preview.state.phase).toBe('cold');
    preview.visit();
    expect((await preview.settled(NEVER)).phase).toBe('ready');
    expect(phases).toEqual([
      'queued',
      'building',
      'failed',
      'cold',
      'queued',
      'building',
      'starting',
      'ready',
    ]);
    await idle(fixture);
  });

  it('hears nothing more of the build that it had, which may take a moment to end', async () => {
    const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let builds = 0;
    using fixture = openPreview({
      // As the queue has it: who is aborted is told so at once.
      queue: async (_, __, build, signal) => {
        preview.tell({ type: 'queued', position: 1 });
        return await Promise.race([build(), untilAborted(signal)]);
      },
      buildImage: async (_, __, ___, ____, to) => {
        builds += 1;
        await ends[builds - 1]?.promise;
        to.lines(['late']);
        to.progress({ step: 'RUN late', steps: 99, cached: 0 });
        return IMAGE;
      },
    });
    const { preview } = fixture;
    preview.visit();
    await until('it builds', () => builds === 1);
    await preview.stop();
    preview.visit();
    await until('it builds again', () => builds === 2);
    ends[0]?.resolve();
    await tick();
    expect(preview.state).toMatchObject({ phase: 'building', steps: 0 });
    expect(await preview.log.read()).not.toContain('late');
    ends[1]?.resolve();
    expect((await preview.settled(NEVER)).phase).toBe('ready');
    await idle(fixture);
  });

  it('is cold where it was ready, and nothing happens to one that is cold', async () => {
    using fixture = openPreview();
    const { preview, phases } = fixture;
    await preview.stop();
    expect(phases).toEqual([]);
    preview.visit();
    await preview.settled(NEVER);
    await idle(fixture);
    await preview.stop();
    expect(preview.state.phase).toBe('cold');
  });
});

function visitOnFailure(preview: Preview): void {
  if (preview.state.phase === 'failed') preview.visit();
}

it('a visit in the very moment of a failure is none, and leaves nobody waiting', async () => {
  const away = new PreviewError('engine-lost', 'It went away.', 'Reload.');
  using fixture = openPreview(
    { findImage: async () => await Promise.reject(away) },
    NEVER,
    visitOnFailure,
  );
  const { preview } = fixture;
  preview.visit();
  await idle(fixture);
  expect(preview.state.phase).toBe('failed');
});

it('a pool that ends says so in the log, and begins nothing', async () => {
  const closing = new AbortController();
  using fixture = openPreview({}, closing.signal);
  const { preview, logged } = fixture;
  preview.visit();
  await preview.settled(NEVER);
  await idle(fixture);
  await preview.stop();
  // Once the file has it all, memory has nothing.
  await sleep(50);
  closing.abort();
  preview.visit();
  expect(await preview.settled(NEVER)).toMatchObject({ failure: { code: 'cancelled' } });
  await idle(fixture);
  expect(fixture.count('readSettings')).toBe(1);
  expect(await preview.log.read()).toContain('[1/1] RUN make');
  await sleep(50);
  expect(logged).not.toContain('log-lost');
});
