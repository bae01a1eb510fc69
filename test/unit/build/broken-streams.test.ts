import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type BuildListener, buildImage } from '../../../src/build/builder.ts';
import { PreviewError } from '../../../src/errors.ts';
import { openContext } from '../../../src/source/context.ts';
import { type BuildAnswer, fakeEngine } from '../fixtures/fake-engine.ts';
import { GitRepository } from '../fixtures/git-repository.ts';
import { planAlone } from '../fixtures/plan-alone.ts';
import { NEVER, until } from '../fixtures/until.ts';

const MINUTE = 60_000;
const SILENT: BuildListener = { lines: () => {}, progress: () => {} };

/**
 * One build of a small context by a fake engine, and what became of both. A rejection that nobody
 * awaits would fail the run by itself.
 */
async function build(
  answer: BuildAnswer,
  {
    buildKit = false,
    limitMs = MINUTE,
    signal = NEVER,
    context = Readable.from(['tar']),
    anew = undefined as { pull: boolean } | undefined,
  } = {},
) {
  await using fake = await fakeEngine(answer, buildKit);
  const lines: string[] = [];
  const listener = { ...SILENT, lines: (more: readonly string[]) => void lines.push(...more) };
  const packed = { stream: context, dockerfile: 'Dockerfile', target: undefined, args: {} };
  const request = { context: packed, tag: 'pool-test', labels: {}, anew };
  const outcome = await buildImage(fake.engine, request, listener, limitMs, signal).catch(
    (error: unknown) => error,
  );
  await until('the context is let go', () => context.destroyed);
  await until('the engine is let go', () => fake.open.size === 0);
  return { outcome, lines };
}

/** An answer of 200 that begins so; what comes then is up to the test. */
const streaming =
  (text: string, then: (response: Parameters<BuildAnswer>[1]) => unknown): BuildAnswer =>
  (request, response) => {
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(text, () => then(response));
    });
  };
const answering =
  (status: number, body: string | Buffer): BuildAnswer =>
  (request, response) => {
    request.resume().once('end', () => response.writeHead(status).end(body));
  };

const STEP = '{"stream":"Step 1/1 : RUN make\\n"}\n';
const IMAGE = '{"aux":{"ID":"sha256:1"}}\n';

it('a build that goes well gives the image', async () => {
  const { outcome, lines } = await build(
    streaming(`${STEP}${IMAGE}`, (response) => response.end()),
  );
  expect(outcome).toMatchObject({ id: 'sha256:1', build: { reused: false, builder: 'classic' } });
  expect(lines).toEqual(['[1/1] RUN make']);
});

it('a build whose answer comes byte by byte gives the image', async () => {
  const bytes = Buffer.from(`${STEP}{"stream":"größe 🐛\\n"}\n${IMAGE}`);
  const { outcome, lines } = await build(
    streaming('', async (response) => {
      for (const byte of bytes) {
        response.write(Buffer.of(byte));
        await sleep(0);
      }
      response.end();
    }),
  );
  expect(outcome).toMatchObject({ id: 'sha256:1' });
  expect(lines).toEqual(['[1/1] RUN make', '  größe 🐛']);
});

const AWAY = /^The Docker engine went away while building the image\.$/;
const CUT = /^The Docker engine's answer ended before the build did\.$/;
const UNREADABLE = /^What the Docker engine told of the build cannot be read\.$/;
const REFUSED = /^The Docker engine refused while building the image: /;

describe.each([
  ['the classic builder', false],
  ['BuildKit', true],
])('with %s each broken answer ends in one sentence', (_, buildKit) => {
  it.each<[string, BuildAnswer, string, RegExp]>([
    [
      'an error inside a 200',
      streaming(`${STEP}{"error":"the command returned a non-zero code: 2"}\n`, (response) =>
        response.end(),
      ),
      'build-failed',
      buildKit
        ? /^A step ended with exit code 2\.$/
        : /^The step "RUN make" ended with exit code 2/,
    ],
    [
      'an error inside a 200 that never ends',
      streaming('{"error":"the command returned a non-zero code: 2"}\n', () => {}),
      'build-failed',
      /ended with exit code 2/,
    ],
    [
      '500 in JSON',
      answering(500, '{"message":"dockerfile parse error line 1: unknown instruction: RUNN"}'),
      'dockerfile-invalid',
      /^The Dockerfile does not parse: .*RUNN/,
    ],
    [
      '400 in JSON',
      answering(400, '{"message":"dockerfile parse error line 2: unknown flag: x"}'),
      'dockerfile-invalid',
      /^The Dockerfile does not parse: .*unknown flag/,
    ],
    ['500 with a page', answering(500, '<html>502 Bad Gateway</html>'), 'engine-refused', REFUSED],
    ['400 with a page', answering(400, '<html>Bad Request</html>'), 'engine-refused', REFUSED],
    ['500 with bytes', answering(500, Buffer.of(0xff, 0, 0x1b)), 'engine-refused', REFUSED],
    ['500 with nothing', answering(500, ''), 'engine-refused', REFUSED],
    ['500 in JSON that says nothing', answering(500, '{}'), 'engine-refused', REFUSED],
    ['404', answering(404, '{"message":"page not found"}'), 'engine-refused', REFUSED],
    ['200 with nothing', answering(200, ''), 'engine-lost', CUT],
    ['200 without an image', answering(200, STEP), 'engine-lost', CUT],
    ['200 with a page', answering(200, '<html>\n</html>\n'), 'engine-refused', UNREADABLE],
    ['200 that is cut in a message', answering(200, `${STEP}{"str`), 'engine-lost', CUT],
    [
      'a connection that breaks in the middle',
      streaming(STEP, (response) => response.destroy()),
      'engine-lost',
      AWAY,
    ],
    [
      'a FIN in the middle',
      streaming(STEP, (response) => response.socket?.end()),
      'engine-lost',
      AWAY,
    ],
    [
      'no answer at all, and a FIN',
      (request, response) => request.resume().once('end', () => response.socket?.end()),
      'engine-lost',
      AWAY,
    ],
    [
      'an end before the context was read',
      (request) => request.socket.destroy(),
      'engine-lost',
      AWAY,
    ],
  ])('%s', async (__, answer, code, words) => {
    const { outcome } = await build(answer, { buildKit });
    expect(outcome).toBeInstanceOf(PreviewError);
    expect(outcome).toMatchObject({ code, message: expect.stringMatching(words) });
  });

  it.each<[string, BuildAnswer]>([
    ['never answers', (request) => request.resume()],
    ['never reads', () => {}],
    ['never ends', streaming(STEP, () => {})],
  ])('an engine that %s is given up after the limit', async (__, answer) => {
    const { outcome } = await build(answer, { buildKit, limitMs: 300 });
    expect(outcome).toMatchObject({
      code: 'build-timeout',
      message: expect.stringMatching(/^The build took longer than 0 s and was stopped\./),
    });
  });

  it('a rebuild that took too long promises no cached step to a retry', async () => {
    const anew = { pull: true };
    const { outcome } = await build((request) => request.resume(), { limitMs: 300, anew });
    expect(outcome).toMatchObject({ next: expect.stringContaining('with no cached step') });
  });

  it.each<[string, BuildAnswer]>([
    ['nothing was answered', (request) => request.resume()],
    ['the answer had begun', streaming(STEP, () => {})],
  ])('whoever ends a build when %s is told that it was ended', async (__, answer) => {
    const signal = AbortSignal.timeout(200);
    expect((await build(answer, { buildKit, signal })).outcome).toMatchObject({
      code: 'cancelled',
    });
  });

  it('a context that cannot be read says so itself', async () => {
    const context = Readable.from(
      (async function* () {
        yield Buffer.alloc(100_000);
        await sleep(20);
        throw new PreviewError('lfs', 'song.mp3 is kept in Git LFS.', 'Leave it out.');
      })(),
    );
    const { outcome } = await build((request) => request.resume(), { buildKit, context });
    expect(outcome).toMatchObject({ code: 'lfs', message: 'song.mp3 is kept in Git LFS.' });
  });
});

it('an engine that goes away while it is sent a context leaves no git behind', async () => {
  using repository = new GitRepository();
  const commit = await repository.commit({
    Dockerfile: 'FROM scratch\n',
    ...Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`${index}.bin`, Buffer.alloc(500_000, index)]),
    ),
  });
  const plan = await planAlone(repository.gitDir, commit, {}, NEVER);
  const { stream } = await openContext(plan, 0, NEVER);
  expect(await gitChildren()).not.toHaveLength(0);
  const { outcome } = await build(stopReading, { context: stream });
  expect(outcome).toMatchObject({ code: 'engine-lost', message: expect.stringMatching(AWAY) });
  await until('git has ended', async () => (await gitChildren()).length === 0, 5000);
});

/** Takes the beginning of a context, and goes away a little later. */
const stopReading: BuildAnswer = (request) => {
  request.once('data', () => {
    request.pause();
    void sleep(100).then(() => request.socket.destroy());
  });
};

/** Processes that this one started and that are git. */
async function gitChildren(): Promise<string[]> {
  const path = `/proc/${process.pid}/task/${process.pid}/children`;
  const ids = (await readFile(path, 'utf8')).split(' ').filter((id) => id !== '');
  const names = await Promise.all(
    ids.map(async (id) => await readFile(`/proc/${id}/comm`, 'utf8').catch(() => '')),
  );
  return names.filter((name) => name.trim() === 'git');
}
