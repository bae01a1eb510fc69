import { describe, expect, it } from 'vitest';
import { BuildKitTrace } from '../../../src/build/buildkit-trace.ts';
import { ClassicTrace } from '../../../src/build/classic-trace.ts';
import { type BuildMessage, readMessages } from '../../../src/build/trace.ts';
import { STARTED, status } from '../fixtures/trace-messages.ts';

const AT = STARTED;

const readAll = (
  trace: { read(message: BuildMessage): string[] },
  messages: readonly BuildMessage[],
) => messages.flatMap((message) => trace.read(message));

async function* pieces(bytes: Buffer, ...cuts: number[]): AsyncGenerator<Buffer> {
  const ends = [...cuts, bytes.length];
  let at = 0;
  for (const end of ends) {
    yield await Promise.resolve(bytes.subarray(at, end));
    at = end;
  }
}

const read = async (source: AsyncIterable<Buffer>) => {
  const all: BuildMessage[] = [];
  for await (const message of readMessages(source)) all.push(message);
  return all;
};

describe("a build's answer is cut into messages", () => {
  const messages = [
    { stream: 'größe 🐛\n' },
    { error: 'a\\nb' },
    { id: 'x', aux: { ID: 'sha256:1' } },
  ];
  const bytes = Buffer.from(`${messages.map((one) => JSON.stringify(one)).join('\r\n')}\n\n`);

  it('wherever it is split', async () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(await read(pieces(bytes, cut)), `split at ${cut}`).toEqual(messages);
    }
  });

  it('byte by byte, and without a newline at the end', async () => {
    const cuts = Array.from({ length: bytes.length - 2 }, (_, index) => index);
    expect(await read(pieces(bytes.subarray(0, bytes.length - 2), ...cuts))).toEqual(messages);
  });

  it('and what is no message is an error', async () => {
    await expect(read(pieces(Buffer.from('hello\n')))).rejects.toThrow(Error);
    await expect(read(pieces(Buffer.from('{"stream": 1}\n')))).rejects.toThrow(Error);
    await expect(read(pieces(Buffer.from('{"stream": "cut')))).rejects.toThrow(Error);
  });
});

const step = (digest: string, name: string, more: object = {}) => ({ digest, name, ...more });

describe("BuildKit's trace", () => {
  it('keeps what the step that failed wrote, whatever those beside it say meanwhile', () => {
    const trace = new BuildKitTrace();
    const [make, busy] = [step('a', '[one 2/2] RUN make'), step('b', '[two 2/2] RUN busy')];
    const ended = { started: AT, completed: AT };
    readAll(trace, [
      status({
        vertexes: [
          { ...make, started: AT },
          { ...busy, started: AT },
        ],
      }),
      status({ logs: [{ vertex: 'a', msg: 'cc: not found\nStop' }] }),
      status({ logs: [{ vertex: 'b', msg: 'busy\n' }] }),
      status({
        vertexes: [
          { ...make, ...ended, error: 'process "/bin/sh -c make" did not complete successfully' },
          { ...busy, ...ended, error: 'context canceled' },
        ],
        logs: [{ vertex: 'b', msg: 'busy\n' }],
      }),
    ]);
    expect(trace.said).toEqual(['cc: not found', 'Stop']);
  });

  it('tells steps as they begin, their output below them, and the image', () => {
    const trace = new BuildKitTrace();
    const lines = readAll(trace, [
      status({
        vertexes: [step('i', '[internal] load build definition from Dockerfile', { started: AT })],
      }),
      status({
        vertexes: [step('a', '[1/2] FROM registry.example/base'), step('b', '[2/2] RUN make')],
      }),
      status({
        vertexes: [step('a', '[1/2] FROM registry.example/base', { started: AT, completed: AT })],
      }),
      status({ vertexes: [step('b', '[2/2] RUN make', { started: AT })] }),
      status({
        logs: [
          { vertex: 'b', msg: 'compil' },
          { vertex: 'b', msg: 'ing\ndone' },
        ],
      }),
      status({ vertexes: [step('b', '[2/2] RUN make', { started: AT, completed: AT })] }),
      { id: 'moby.image.id', aux: { ID: 'sha256:1' } },
    ]);
    expect(lines).toEqual([
      '[1/2] FROM registry.example/base',
      '[2/2] RUN make',
      '  compiling',
      '  done',
    ]);
    expect(trace.progress).toEqual({ step: 'RUN make', steps: 2, cached: 0 });
    expect(trace.imageId).toBe('sha256:1');
  });

  it('counts a step once, and the cached ones among them', () => {
    const trace = new BuildKitTrace();
    const cached = step('a', '[1/2] RUN a', { started: AT, completed: AT, cached: true });
    const lines = readAll(trace, [status({ vertexes: [cached] }), status({ vertexes: [cached] })]);
    expect(trace.progress).toEqual({ step: 'RUN a', steps: 1, cached: 1 });
    expect(lines.join('\n')).toMatch(/^\[1\/2\] RUN a\s+\(cached\)$/);
  });

  it('names the step that speaks where two speak in turn', () => {
    const trace = new BuildKitTrace();
    const lines = readAll(trace, [
      status({
        vertexes: [
          step('a', '[one 1/1] RUN a', { started: AT }),
          step('b', '[two 1/1] RUN b', { started: AT }),
        ],
      }),
      status({ logs: [{ vertex: 'a', msg: 'from a\n' }] }),
      status({ logs: [{ vertex: 'b', msg: 'from b\n' }] }),
      status({ logs: [{ vertex: 'b', msg: 'more\n' }] }),
    ]);
    expect(lines).toEqual([
      '[one 1/1] RUN a',
      '[two 1/1] RUN b',
      '[one 1/1] RUN a',
      '  from a',
      '[two 1/1] RUN b',
      '  from b',
      '  more',
    ]);
  });

  it('tells why a step failed, once', () => {
    const trace = new BuildKitTrace();
    const failed = step('a', '[1/1] RUN a', { started: AT, completed: AT, error: 'exit code: 2' });
    const lines = readAll(trace, [status({ vertexes: [failed] }), status({ vertexes: [failed] })]);
    expect(lines).toEqual(['[1/1] RUN a', '  exit code: 2']);
  });

  it('makes hostile names and output harmless', () => {
    const trace = new BuildKitTrace();
    const lines = readAll(trace, [
      status({ vertexes: [step('a', '[1/1] RUN \u001B[31mred\u202E', { started: AT })] }),
      status({ logs: [{ vertex: 'a', msg: '\u001B]8;;http://evil.example/\u0007x\n' }] }),
    ]);
    expect(lines).toEqual(['[1/1] RUN red', '  x']);
  });

  it('puts a letter together whose bytes came in two messages', () => {
    const trace = new BuildKitTrace();
    const bytes = Buffer.from('größe 🐛\n');
    for (let cut = 1; cut < bytes.length; cut++) {
      const lines = readAll(trace, [
        status({ logs: [{ vertex: 'a', msg: bytes.subarray(0, cut) }] }),
        status({ logs: [{ vertex: 'a', msg: bytes.subarray(cut) }] }),
      ]);
      expect(lines.at(-1), `cut at ${cut}`).toBe('  größe 🐛');
    }
  });

  it('lets pass what it does not know', () => {
    const trace = new BuildKitTrace();
    expect(readAll(trace, [{}, { id: 'other', aux: 'x' }, { stream: 'x' }, status({})])).toEqual(
      [],
    );
  });
});

describe("the classic builder's trace", () => {
  it('tells steps, their output and the image, and leaves the noise out', () => {
    const trace = new ClassicTrace();
    const lines = readAll(trace, [
      { stream: 'Step 1/3 : FROM registry.example/base' },
      { stream: '\n' },
      { stream: ' ---> 0123456789ab\n' },
      { stream: 'Step 2/3 : COPY . .\n' },
      { stream: ' ---> Using cache\n' },
      { stream: ' ---> 0123456789ab\n' },
      { stream: 'Step 3/3 : RUN make\n' },
      { stream: ' ---> Running in 0123456789ab\n' },
      { stream: 'compil' },
      { stream: 'ing\n\u001B[31mdone\u001B[0m\n' },
      { stream: 'Removing intermediate container 0123456789ab\n' },
      { stream: ' ---> 0123456789ab\n' },
      { aux: { ID: 'sha256:1' } },
      { stream: 'Successfully built 0123456789ab\n' },
      { stream: 'Successfully tagged pool/shop:1\n' },
    ]);
    expect(lines).toEqual([
      '[1/3] FROM registry.example/base',
      '[2/3] COPY . .',
      '  (cached)',
      '[3/3] RUN make',
      '  compiling',
      '  done',
    ]);
    expect(trace.progress).toEqual({ step: 'RUN make', steps: 3, cached: 1 });
    expect(trace.imageId).toBe('sha256:1');
  });

  it('keeps what the last step wrote, and the end of it', () => {
    const trace = new ClassicTrace();
    readAll(trace, [
      { stream: 'Step 1/6 : FROM base\n' },
      { stream: 'Step 2/6 : RUN make\n' },
      { stream: ' ---> Running in 0123456789ab\n' },
      ...Array.from({ length: 100 }, (_, at) => ({ stream: `line ${at}\n` })),
    ]);
    expect([trace.said.length, trace.said.at(-1)]).toEqual([40, 'line 99']);
    readAll(trace, [{ stream: 'Step 3/6 : COPY a b\n' }]);
    expect(trace.said).toEqual([]);
  });

  it('does not tell the progress of every layer of a pull', () => {
    const trace = new ClassicTrace();
    expect(trace.read({ status: 'Pulling from base' })).toEqual(['  Pulling from base']);
    expect(trace.read({ status: 'Downloading', id: '0123' })).toEqual([]);
  });
});
