import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { BuildKitTrace } from '../../../src/build/buildkit-trace.ts';
import { ClassicTrace } from '../../../src/build/classic-trace.ts';
import { type BuildMessage, readMessages } from '../../../src/build/trace.ts';
import { LineSplitter } from '../../../src/plain-text.ts';
import { HOSTILE_BYTES, HOSTILE_LINES, NEVER_SHOWN } from '../fixtures/hostile-lines.ts';
import { seeded } from '../fixtures/numbers.ts';
import { status, STARTED } from '../fixtures/trace-messages.ts';

const RAW = HOSTILE_LINES.map(({ line }) => line.toWellFormed()).join('\n');
const SHOWN = HOSTILE_LINES.map(({ shown }) => shown);

async function* chunks(text: string | Buffer, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
}

async function readAll(source: AsyncIterable<Buffer>): Promise<BuildMessage[]> {
  return await Array.fromAsync(readMessages(source));
}

const trace = (aux: unknown): BuildMessage => ({ id: 'moby.buildkit.trace', aux });
const base64 = (...bytes: number[]) => Buffer.from(bytes).toString('base64');

describe('the corpus comes through a trace as it is to be shown', () => {
  it.each([1, 7, 100, 1 << 20])("BuildKit's, in pieces of %i bytes", (size) => {
    const kit = new BuildKitTrace();
    kit.read(status({ vertexes: [{ digest: 'a', name: '[1/1] RUN x', started: STARTED }] }));
    const all = Buffer.concat([
      Buffer.from(`${RAW}\n`),
      ...HOSTILE_BYTES.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]),
    ]);
    const lines: string[] = [];
    for (let at = 0; at < all.length; at += size) {
      const msg = all.subarray(at, at + size);
      lines.push(...kit.read(status({ logs: [{ vertex: 'a', msg }] })));
    }
    const shown = [...SHOWN, ...HOSTILE_BYTES.map((one) => one.shown)];
    expect(lines).toEqual(shown.map((line) => (line === '' ? '' : `  ${line}`)));
  });

  it("the classic builder's", () => {
    const classic = new ClassicTrace();
    // It says nothing of empty lines.
    const lines = `${RAW}\n`.split('').flatMap((unit) => classic.read({ stream: unit }));
    expect(lines).toEqual(SHOWN.filter((line) => line !== '').map((line) => `  ${line}`));
  });

  it('in the names of steps as well, wherever those go', () => {
    const kit = new BuildKitTrace();
    const lines = HOSTILE_LINES.flatMap(({ line }, index) => {
      const name = `[1/1] RUN ${line.toWellFormed()}`;
      const vertex = { digest: `${index}`, name, started: STARTED, error: line.toWellFormed() };
      return [...kit.read(status({ vertexes: [vertex] })), kit.progress.step ?? '', kit.failedStep];
    });
    expect(lines.join('\n')).not.toMatch(NEVER_SHOWN);
  });
});

describe('a message of BuildKit that cannot be read costs a line of the log, and no more', () => {
  const whole = status({ vertexes: [{ digest: 'a', name: '[1/1] RUN x', started: STARTED }] });
  const told = String(whole.aux);
  it.each([
    ['base64 that is cut', trace(told.slice(0, -9))],
    ['no base64', trace('!"§$%&/()=?')],
    ['a length beyond the end', trace(base64(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f))],
    ['a length of 2^63', trace(base64(0x0a, ...Array<number>(8).fill(0xff), 0x7f))],
    ['a varint that never ends', trace(base64(0x08, ...Array<number>(64).fill(0xff)))],
    ['a field of the wrong kind', trace(base64(0x0d, 1, 2, 3, 4))],
    ['a number for a text', trace(base64(0x0a, 2, 0x08, 1))],
    ['groups in groups', trace(base64(...Array<number>(100_000).fill(0x7b)))],
    ['an end of a group alone', trace(base64(0x0c))],
    ['a tag of nothing', trace(base64(0, 0, 0, 0))],
  ])('%s', (_, message) => {
    const kit = new BuildKitTrace();
    const lines = kit.read(message);
    expect(lines.length).toBeLessThanOrEqual(1);
    expect(kit.read(whole), 'and what comes next is read').toContain('[1/1] RUN x');
  });

  it.each([
    ['no text', trace(7)],
    ['nothing', trace(undefined)],
    ['a list', trace([[[[]]]])],
    ['an image that has no id', { id: 'moby.image.id', aux: 'sha256:1' }],
    ['an image whose id is a number', { id: 'moby.image.id', aux: { ID: 1 } }],
  ])('%s says nothing', (_, message) => {
    const kit = new BuildKitTrace();
    expect(kit.read(message)).toEqual([]);
    expect(kit.imageId).toBeUndefined();
  });

  it('and neither do ten thousand of random bytes, or of one whose bytes were changed', () => {
    const random = seeded(20_261_120);
    const kit = new BuildKitTrace();
    for (let index = 0; index < 10_000; index++) {
      const bytes = Buffer.from(told, 'base64');
      if (index % 2 === 0) bytes.forEach((__, at) => (bytes[at] = random() * 256));
      else bytes[Math.floor(random() * bytes.length)] = random() * 256;
      const lines = kit.read(trace(bytes.toString('base64')));
      expect(lines.join(''), `of ${bytes.toString('hex')}`).not.toMatch(NEVER_SHOWN);
    }
  });

  it('and a build with more steps than any Dockerfile keeps the last of them', () => {
    const kit = new BuildKitTrace();
    for (let index = 0; index < 20_000; index++) {
      kit.read(status({ logs: [{ vertex: `${index}`, msg: 'half' }] }));
    }
    expect(kit.read(status({ logs: [{ vertex: '19999', msg: ' and half\n' }] }))).toContain(
      '  half and half',
    );
    expect(kit.read(status({ logs: [{ vertex: '0', msg: ' and half\n' }] }))).toContain(
      '   and half',
    );
  });
});

describe("an engine's answer that is none", () => {
  it.each([
    ['words', 'Bad Gateway\n'],
    ['a page', '<html><body>502</body></html>\n'],
    ['a number', '7\n'],
    ['nothing', 'null\n'],
    ['a list', '[]\n'],
    ['a stream that is a number', '{"stream":1}\n'],
    ['an error that is an object', '{"error":{"message":"x"}}\n'],
  ])('is refused in a sentence: %s', async (_, text) => {
    await expect(readAll(chunks(text, 5))).rejects.toMatchObject({
      code: 'engine-refused',
      message: 'What the Docker engine told of the build cannot be read.',
    });
  });

  it('is told as cut where it ends in the middle of a message', async () => {
    await expect(readAll(chunks('{"stream":"a"}\n{"stream":"b', 4))).rejects.toMatchObject({
      code: 'engine-lost',
    });
  });

  it('is read however deep it is nested', async () => {
    const deep = `{"aux":${'['.repeat(100_000)}${']'.repeat(100_000)}}\n{"stream":"a"}\n`;
    expect((await readAll(chunks(deep, 65_536))).at(-1)).toEqual({ stream: 'a' });
  });

  it('is refused where a message has no end, and is not kept', async () => {
    let sent = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        sent += 65_536;
        yield await Promise.resolve(Buffer.alloc(65_536, 'x'));
      }
    }
    await expect(readAll(endless())).rejects.toMatchObject({ code: 'engine-refused' });
    expect(sent).toBeLessThan(34 * 2 ** 20);
  });

  it('is read in one message of ten megabytes, in pieces', async () => {
    const text = `${JSON.stringify({ stream: 'x'.repeat(10 * 2 ** 20) })}\n`;
    const [message] = await readAll(chunks(text, 16_384));
    expect(message?.stream).toHaveLength(10 * 2 ** 20);
  });
});

describe('memory stays flat', () => {
  it.each([
    ['ten megabytes without a newline, by letters', 'x', 10 * 2 ** 20],
    ['ten megabytes without a newline, in large pieces', 'x'.repeat(65_536), 160],
    ['a progress bar of ten megabytes', `\r${'#'.repeat(99)}`, 100_000],
    ['a million lines without a letter', '\n', 1_000_000],
  ])('over %s', (_, piece, times) => {
    const splitter = new LineSplitter();
    let told = 0;
    for (let index = 0; index < 1000; index++) splitter.push(piece);
    const before = heapUsed();
    for (let index = 0; index < times; index++) told += splitter.push(piece).length;
    expect(heapUsed() - before).toBeLessThan(2 ** 20);
    expect(told).toBe(piece === '\n' ? times : 0);
    expect(splitter.flush().join('').length).toBeLessThan(17_000);
  });

  it('a progress bar shows where it came to last', () => {
    const splitter = new LineSplitter();
    for (let index = 0; index <= 100_000; index++) splitter.push(`\r${index} of 100000 bytes`);
    expect(splitter.push('\n')).toEqual(['100000 of 100000 bytes']);
  });
});

/** After a collection of what nobody holds. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
