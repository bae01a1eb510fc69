import { extract } from 'tar-stream';
import { expect, it } from 'vitest';
import { PreviewError } from '../../../src/errors.ts';
import { openContext } from '../../../src/source/context.ts';
import { parseIgnoreFile } from '../../../src/source/dockerignore.ts';
import { GitRepository } from '../fixtures/git-repository.ts';
import { NEVER_SHOWN } from '../fixtures/hostile-lines.ts';
import { hostileText } from '../fixtures/hostile-text.ts';
import { seeded } from '../fixtures/numbers.ts';
import { planAlone } from '../fixtures/plan-alone.ts';
import { NEVER } from '../fixtures/until.ts';

const SEED = 20_261_120;

/** The tar has the file under the very bytes of its name. */
function expectNames(names: unknown[], name: Buffer): void {
  expect(names).toEqual(['Dockerfile', name.toString('utf8')]);
  expect(Buffer.from(String(names[1]))).toEqual(name);
}

function expectRefusal(outcome: unknown): void {
  expect(outcome).toBeInstanceOf(PreviewError);
  const { code, message } = outcome as PreviewError;
  expect(code).toBe('context-refused');
  expect(message).not.toMatch(NEVER_SHOWN);
  expect(message.length).toBeLessThan(1000);
}

/** Names as git keeps them: any bytes but NUL and a slash. */
function hostileName(random: () => number): Buffer {
  const kind = random();
  if (kind < 0.4) return Buffer.from(hostileText(random).replaceAll(/[\0/]/g, '') || 'x');
  if (kind < 0.7) {
    const length = 1 + Math.floor(random() * 20);
    const all = Array.from({ length }, () => 1 + Math.floor(random() * 255));
    return Buffer.from(all.map((byte) => (byte === 0x2f ? 0x78 : byte)));
  }
  const long = Buffer.alloc(Math.floor(200 + random() * 6000), 'n');
  return kind < 0.85
    ? long
    : Buffer.from(
        ['..', '.git', 'a\nb', '"a"', 'a\tb', '-rf', '.'][Math.floor(random() * 7)] ?? '',
      );
}

async function namesIn(commit: Parameters<typeof planAlone>[1], gitDir: string): Promise<string[]> {
  const plan = await planAlone(gitDir, commit, {}, NEVER);
  const tar = extract();
  (await openContext(plan, 0, NEVER)).stream.pipe(tar);
  const names: string[] = [];
  for await (const entry of tar) {
    names.push(entry.header.name);
    entry.resume();
  }
  return names;
}

it(`of commits with hostile names (seed ${SEED}) each is packed by the very names, or refused in words`, async () => {
  using repository = new GitRepository();
  const random = seeded(SEED);
  const id = repository.blob('FROM scratch\n');
  const outcomes = { packed: 0, refused: 0 };
  for (let round = 0; round < 40; round++) {
    const name = hostileName(random);
    const commit = repository.commitOfTree([
      { mode: '100644', name: 'Dockerfile', id },
      { mode: '100644', name, id },
    ]);
    const outcome = await namesIn(commit, repository.gitDir).catch((error: unknown) => error);
    if (Array.isArray(outcome)) {
      outcomes.packed += 1;
      expectNames(outcome, name);
    } else {
      outcomes.refused += 1;
      expectRefusal(outcome);
    }
  }
  expect(outcomes.packed).toBeGreaterThan(5);
  expect(outcomes.refused).toBeGreaterThan(5);
}, 30_000);

it('a name of megabytes ends the reading of the tree, and not pool', async () => {
  using repository = new GitRepository();
  const id = repository.blob('FROM scratch\n');
  const commit = repository.commitOfTree([
    { mode: '100644', name: 'Dockerfile', id },
    { mode: '100644', name: Buffer.alloc(20 * 2 ** 20, 'n'), id },
  ]);
  await expect(planAlone(repository.gitDir, commit, {}, NEVER)).rejects.toMatchObject({
    code: 'context-refused',
    message: 'This commit is not built, for it has a path over 64 KiB.',
  });
}, 20_000);

it(`two thousand ignore files of hostile patterns (seed ${SEED}) are rules, or say which line is none`, async () => {
  const random = seeded(SEED);
  const pieces = [
    '*',
    '**',
    '?',
    '/',
    '[',
    ']',
    '!',
    '-',
    '^',
    '\\',
    '#',
    '.',
    '..',
    'a',
    'node_modules',
    '\n',
    ' ',
  ];
  const any = () =>
    random() < 0.2 ? hostileText(random) : (pieces[Math.floor(random() * pieces.length)] ?? '');
  let read = 0;
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: 1 + Math.floor(random() * 25) }, any).join('');
    const path = Array.from({ length: 1 + Math.floor(random() * 9) }, any).join('');
    const outcome = await verdict(text, path);
    if (typeof outcome === 'boolean') read += 1;
    expect(typeof outcome === 'boolean' || /^line [0-9]+/.test(outcome), `${outcome}`).toBe(true);
  }
  expect(read).toBeGreaterThan(200);
});

/** Whether a path is ignored, or which line is none. */
async function verdict(text: string, path: string): Promise<boolean | string> {
  try {
    return await parseIgnoreFile(text).ignores(path);
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}
