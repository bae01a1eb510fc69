import { createRequire } from 'node:module';
import protobuf from 'protobufjs';
import { z } from 'zod';
import { LineSplitter, plainLine } from '../plain-text.ts';
import { type BuildMessage, type BuildProgress, ImageId, SAID, type Trace } from './trace.ts';

/** What pool relies on in BuildKit's `StatusResponse`, which the engine hands through in base64. */
const Status = z.object({
  vertexes: z
    .array(
      z.object({
        digest: z.string(),
        name: z.string().default(''),
        cached: z.boolean().default(false),
        started: z.unknown().optional(),
        completed: z.unknown().optional(),
        error: z.string().default(''),
      }),
    )
    .default([]),
  logs: z.array(z.object({ vertex: z.string(), msg: z.instanceof(Uint8Array) })).default([]),
});
type Status = z.infer<typeof Status>;

/** A Dockerfile has some dozen steps; of more than this the oldest is forgotten. */
const VERTEX_LIMIT = 10_000;

/** dockerode ships the definition of the messages; its own decoder leaves log lines in base64. */
const StatusResponse = protobuf
  .loadSync(createRequire(import.meta.url).resolve('dockerode/lib/proto/buildkit_status.proto'))
  .lookupType('moby.buildkit.v1.StatusResponse');

/** `[2/5] RUN make` and `[assets 1/3] COPY . .` are the Dockerfile's; `[internal] …` is not. */
const STEP = /^\[(?!internal\]|auth\])[^\]]*\] /;

interface Vertex {
  name: string;
  counted: boolean;
  cached: boolean;
  failed: boolean;
  /** Its last lines, while it runs or where it failed. */
  said: string[];
  decoder: TextDecoder;
  output: LineSplitter;
}

/** Reads BuildKit's trace. Steps run side by side, so output names its step when that changes. */
export class BuildKitTrace implements Trace {
  readonly progress: BuildProgress = { step: undefined, steps: 0, cached: 0 };
  imageId: string | undefined;
  failedStep: string | undefined;
  readonly #vertexes = new Map<string, Vertex>();
  #speaking: Vertex | undefined;
  #failed: Vertex | undefined;

  get said(): readonly string[] {
    return this.#failed?.said ?? [];
  }

  read(message: BuildMessage): string[] {
    if (message.id === 'moby.image.id') this.imageId = ImageId.safeParse(message.aux).data?.ID;
    if (message.id !== 'moby.buildkit.trace' || typeof message.aux !== 'string') return [];
    const status = decode(message.aux);
    if (status === undefined) return ['(pool could not read what the builder said here)'];
    return [
      ...status.vertexes.flatMap((vertex) => this.#vertex(vertex)),
      ...status.logs.flatMap((log) => this.#output(log.vertex, log.msg)),
    ];
  }

  #vertex(told: Status['vertexes'][number]): string[] {
    const vertex = this.#known(told.digest, told.name);
    const lines: string[] = [];
    if (told.started !== undefined && !vertex.counted && STEP.test(vertex.name)) {
      vertex.counted = true;
      this.progress.steps += 1;
      this.progress.step = vertex.name.replace(STEP, '');
      lines.push(...this.#speak(vertex));
    }
    if (told.cached && vertex.counted && !vertex.cached) {
      vertex.cached = true;
      this.progress.cached += 1;
      // Most often both are told at once.
      const [name = ' '] = [...lines, ...this.#speak(vertex)];
      lines.splice(0, 1, `${name} (cached)`);
    }
    if (told.completed !== undefined) {
      const rest = vertex.output.flush();
      keep(vertex, rest);
      if (rest.length > 0) lines.push(...this.#speak(vertex), ...rest.map(indented));
    }
    if (told.error !== '' && !vertex.failed) {
      vertex.failed = true;
      // The steps beside the one that failed are cancelled, and say so.
      if (!/context canceled/i.test(told.error)) {
        this.failedStep ??= vertex.name.replace(STEP, '');
        this.#failed ??= vertex;
      }
      lines.push(...this.#speak(vertex), `  ${plainLine(told.error)}`);
    }
    if (told.completed !== undefined && this.#failed !== vertex) vertex.said = [];
    return lines;
  }

  #output(digest: string, bytes: Uint8Array): string[] {
    const vertex = this.#known(digest, '');
    const lines = vertex.output.push(vertex.decoder.decode(bytes, { stream: true }));
    if (lines.length === 0) return [];
    keep(vertex, lines);
    return [...this.#speak(vertex), ...lines.map(indented)];
  }

  /** The step's name, where another one spoke last. */
  #speak(vertex: Vertex): string[] {
    if (this.#speaking === vertex) return [];
    this.#speaking = vertex;
    return [vertex.name];
  }

  #known(digest: string, name: string): Vertex {
    let vertex = this.#vertexes.get(digest);
    if (vertex === undefined) {
      const readers = { decoder: new TextDecoder(), output: new LineSplitter() };
      const told = { counted: false, cached: false, failed: false, said: [] };
      vertex = { name: plainLine(name), ...told, ...readers };
      this.#vertexes.set(digest, vertex);
      const [oldest] = this.#vertexes.keys();
      if (this.#vertexes.size > VERTEX_LIMIT) this.#vertexes.delete(oldest ?? '');
    }
    return vertex;
  }
}

/** What a message tells; `undefined` where it cannot be read: the log does not decide a build. */
function decode(base64: string): Status | undefined {
  try {
    const decoded = StatusResponse.decode(Buffer.from(base64, 'base64'));
    return Status.parse(StatusResponse.toObject(decoded));
  } catch {
    return undefined;
  }
}

function keep(vertex: Vertex, lines: readonly string[]): void {
  if (lines.length > 0) vertex.said = [...vertex.said, ...lines.slice(-SAID)].slice(-SAID);
}

function indented(line: string): string {
  return line === '' ? '' : `  ${line}`;
}
