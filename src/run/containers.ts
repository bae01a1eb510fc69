import { setTimeout as sleep } from 'node:timers/promises';
import { plainText } from '../plain-text.ts';
import { askEngine } from '../engine/ask.ts';
import type { Engine } from '../engine/connect.ts';
import { engineError, isConflict, isMissing } from '../engine/engine-error.ts';
import { LABEL, labelFilter } from '../engine/labels.ts';
import { PreviewError } from '../errors.ts';
import { type Allowance, containerSettings, type StartRequest } from './container-settings.ts';
import type { Endpoint } from './endpoint.ts';
import { type FoundContainer, Inspected, publishedBy, toFound } from './found-container.ts';
import type { HostPorts } from './host-ports.ts';
import { ensureNetwork } from './network.ts';
import { choosePorts, type PortChoice } from './ports.ts';

/** Other programs take ports as well: so many fresh ones are tried before giving up. */
const PORT_ATTEMPTS = 5;

const LAST_LINES = 40;

/** The engine gives a container ten seconds to end. */
const REMOVAL_LIMIT_MS = 15_000;

/** A container that goes away with the scope that holds it, unless it was kept. */
export interface StartedContainer extends AsyncDisposable {
  endpoint: Endpoint;
  keep(): void;
}

/** How a container is at one moment. */
export interface Vitals {
  running: boolean;
  exitCode: number;
  outOfMemory: boolean;
}

/** The containers of one pool in one engine. */
export class Containers {
  readonly #engine: Engine;
  readonly #instance: string;
  readonly #hostPorts: HostPorts;
  readonly #allowance: Allowance;
  #makingNetwork: Promise<string> | undefined;

  constructor(engine: Engine, instance: string, hostPorts: HostPorts, allowance: Allowance) {
    this.#engine = engine;
    this.#instance = instance;
    this.#hostPorts = hostPorts;
    this.#allowance = allowance;
  }

  /**
   * Makes and starts a container of an image; its ports are published on loopback, on host ports
   * of ours. Returns before the application answers. Leaves nothing behind where it throws, nor
   * where what it returns is disposed of before it is kept.
   */
  async start(request: StartRequest, signal: AbortSignal): Promise<StartedContainer> {
    try {
      const network = await this.#network(signal);
      const inspected = this.#engine.docker.getImage(request.image.id).inspect();
      const image = await askEngine('looking at the image', inspected, signal);
      const { ExposedPorts, Env } = image.Config;
      const ports = choosePorts(Object.keys(ExposedPorts ?? {}), Env ?? [], request.ports);
      for (let attempt = 1; ; attempt++) {
        signal.throwIfAborted();
        const endpoint = await this.#tryToStart(request, ports, network, attempt);
        if (endpoint !== undefined) return this.hold(endpoint);
      }
    } catch (error) {
      throw asStartError(engineError(error, 'starting the container', signal));
    }
  }

  /** One at a time: the engine lets two networks have one name, and then takes neither. */
  async #network(signal: AbortSignal): Promise<string> {
    this.#makingNetwork ??= ensureNetwork(this.#engine, this.#instance, signal).finally(() => {
      this.#makingNetwork = undefined;
    });
    return await this.#makingNetwork;
  }

  /** Takes a running container into a scope: it goes away with it, unless it is kept. */
  hold(endpoint: Endpoint): StartedContainer {
    let kept = false;
    return {
      endpoint,
      keep: () => {
        kept = true;
      },
      [Symbol.asyncDispose]: async () => {
        // Where the engine is away, that is told by what failed; the next start finds the rest.
        if (!kept) await this.remove(endpoint).catch(() => {});
      },
    };
  }

  /** `undefined` where a host port turned out to be somebody else's: try others. */
  async #tryToStart(
    request: StartRequest,
    choice: PortChoice,
    network: string,
    attempt: number,
  ): Promise<Endpoint | undefined> {
    const { docker } = this.#engine;
    await this.#removeByName(request.name);
    const hostPorts = this.#hostPorts.take(choice.published.length, Date.now());
    const published = Object.fromEntries(
      choice.published.map((port, index) => [port, hostPorts[index] ?? 0]),
    );
    const settings = containerSettings(
      request,
      choice,
      published,
      network,
      this.#instance,
      this.#allowance,
    );
    let containerId = '';
    try {
      const made = docker.createContainer(settings);
      const container = await askEngine('creating the container', made);
      containerId = container.id;
      await askEngine('starting the container', container.start());
    } catch (error) {
      if (containerId === '') this.#hostPorts.release(hostPorts, Date.now());
      else await this.remove({ containerId, published });
      if (!isPortTaken(error) || attempt === PORT_ATTEMPTS) throw error;
      this.#hostPorts.moveOn();
      return undefined;
    }
    const { port, rule: portRule } = choice;
    return { host: '127.0.0.1', protocol: 'http', port, published, containerId, portRule };
  }

  /** What the container is doing; `undefined` where it is gone. */
  async vitals(id: string): Promise<Vitals | undefined> {
    const found = await this.#inspect(id);
    if (found === undefined) return undefined;
    const { Running, ExitCode, OOMKilled } = found.State;
    return { running: Running, exitCode: ExitCode, outOfMemory: OOMKilled };
  }

  /** The last lines that a container wrote, made plain; empty where they cannot be read. */
  async lastLines(id: string): Promise<string[]> {
    const options = { stdout: true, stderr: true, tail: LAST_LINES, follow: false as const };
    const logs = this.#engine.docker.getContainer(id).logs(options);
    const output = await askEngine('reading its last lines', logs).catch(() => undefined);
    if (output === undefined) return [];
    const text = plainText(demultiplex(output)).trimEnd();
    return text === '' ? [] : text.split('\n').slice(-LAST_LINES);
  }

  /** Removes a container of ours, running or not, and gives its ports back. */
  async remove(endpoint: Pick<Endpoint, 'containerId' | 'published'>): Promise<void> {
    const { containerId, published } = endpoint;
    const gone = this.#engine.docker.getContainer(containerId).remove({ force: true, v: true });
    try {
      await askEngine('removing the container', gone);
    } catch (error) {
      if (isConflict(error)) await this.#untilGone(containerId);
      else if (!isMissing(error)) throw error;
    } finally {
      this.#hostPorts.release(Object.values(published), Date.now());
    }
  }

  /** Somebody else removes it already: its name and ports are free once that is done. */
  async #untilGone(id: string): Promise<void> {
    for (const end = Date.now() + REMOVAL_LIMIT_MS; Date.now() < end; await sleep(100)) {
      if ((await this.#inspect(id)) === undefined) return;
    }
  }

  /** Every container of this pool, found by its labels alone. */
  async list(): Promise<FoundContainer[]> {
    const filters = labelFilter({ [LABEL.instance]: this.#instance });
    const listed = this.#engine.docker.listContainers({ all: true, filters });
    const ids = (await askEngine('asking for the containers', listed)).map(({ Id }) => Id);
    const inspected = await Promise.all(ids.map(async (id) => await this.#inspect(id)));
    const containers = inspected
      .map((one) => one && toFound(one))
      .filter((container) => container !== undefined);
    for (const { endpoint } of containers) {
      this.#hostPorts.claim(Object.values(endpoint.published));
    }
    return containers;
  }

  async #inspect(idOrName: string): Promise<Inspected | undefined> {
    const answer = this.#engine.docker.getContainer(idOrName).inspect();
    try {
      return Inspected.parse(await askEngine('asking for the container', answer));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** What an earlier attempt, killed in the middle, left under this name. */
  async #removeByName(name: string): Promise<void> {
    const left = await this.#inspect(name);
    if (left === undefined) return;
    if (left.Config.Labels[LABEL.instance] !== this.#instance) {
      throw new Error(`a container named ${name} exists that is not pool's`);
    }
    await this.remove({ containerId: left.Id, published: publishedBy(left.HostConfig) });
  }
}

function isPortTaken(error: unknown): boolean {
  const said = error instanceof PreviewError ? error.message : String(error);
  return /port is already allocated|address already in use/i.test(said);
}

/** An image whose command cannot even be started is the commit's fault, not the engine's. */
function asStartError(error: Error): Error {
  const match = /(?:OCI runtime create failed|exec:|no command specified)(.*)/is.exec(
    error.message,
  );
  if (match === null) return error;
  const reason = /exec: [^\n]*|no command specified/i.exec(error.message)?.[0] ?? error.message;
  return new PreviewError(
    'exited',
    `The image's command cannot be started: ${reason.slice(0, 200).replace(/: unknown\s*$/, '')}.`,
    'Mend CMD or ENTRYPOINT of the Dockerfile in a new commit, and visit that one.',
    { cause: error },
  );
}

/** Takes the engine's framing of stdout and stderr away; a terminal's output has none. */
function demultiplex(output: Buffer): string {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= output.length && output.readUInt8(at) <= 2) {
    const size = output.readUInt32BE(at + 4);
    parts.push(output.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
  return (at === 0 ? output : Buffer.concat(parts)).toString('utf8');
}
