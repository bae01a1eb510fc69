import { setTimeout as sleep } from 'node:timers/promises';
import { plainText } from '../plain-text.ts';
import type { Port } from '../address/label.ts';
import { askEngine } from '../engine/ask.ts';
import type { Engine } from '../engine/connect.ts';
import { engineError, isConflict, isMissing } from '../engine/engine-error.ts';
import { LABEL, labelFilter } from '../engine/labels.ts';
import { PreviewError } from '../errors.ts';
import { type Allowance, containerSettings, type StartRequest } from './container-settings.ts';
import type { Endpoint } from './endpoint.ts';
import { type FoundContainer, Inspected, toFound } from './found-container.ts';
import type { HostPorts } from './host-ports.ts';
import { ensureNetwork } from './network.ts';
import { type ListeningSocket, listeningIn } from './listening.ts';
import { choosePorts, type PortChoice, withFound } from './ports.ts';

/** Other programs take ports as well: so many fresh ones are tried before giving up. */
const PORT_ATTEMPTS = 5;

const LAST_LINES = 40;

/** The engine keeps 4 KB of each health check; a sentence has room for less. */
const HEALTH_OUTPUT_LIMIT = 300;

/** The engine gives a container ten seconds to end. */
const REMOVAL_LIMIT_MS = 15_000;

/** A container that goes away with the scope that holds it, unless it was kept. */
export interface StartedContainer extends AsyncDisposable {
  endpoint: Endpoint;
  keep(): void;
  /**
   * Makes it once more, with these ports published beside its own: what is published is fixed when
   * a container is made. Absent for one that an earlier process started.
   */
  again?: (found: readonly Port[], signal: AbortSignal) => Promise<Endpoint>;
}

/** How a container is at one moment. */
export interface Vitals {
  running: boolean;
  exitCode: number;
  outOfMemory: boolean;
  /** What the image's HEALTHCHECK says, where it has one. */
  health?: Health;
}

/** The state of an image's HEALTHCHECK, and what its last check wrote. */
export interface Health {
  status: 'starting' | 'healthy' | 'unhealthy';
  output: string;
}

/** The containers of one pool in one engine. */
export class Containers {
  readonly #engine: Engine;
  readonly #instance: string;
  readonly #hostPorts: HostPorts;
  readonly #allowance: Allowance;
  /** The host ports of each container, by its id. */
  readonly #held = new Map<string, readonly number[]>();
  #makingNetwork: Promise<string> | undefined;

  constructor(engine: Engine, instance: string, hostPorts: HostPorts, allowance: Allowance) {
    this.#engine = engine;
    this.#instance = instance;
    this.#hostPorts = hostPorts;
    this.#allowance = allowance;
  }

  /**
   * Makes and starts a container of an image; its ports are published on host ports of ours. Returns before the application answers. Leaves nothing behind where it throws, nor
   * where what it returns is disposed of before it is kept.
   */
  async start(request: StartRequest, signal: AbortSignal): Promise<StartedContainer> {
    try {
      const inspected = this.#engine.docker.getImage(request.image.id).inspect();
      const [network, image, freeName] = await Promise.all([
        this.#network(signal),
        askEngine('looking at the image', inspected, signal),
        this.#freeName(request),
      ]);
      const { ExposedPorts, Env, Labels } = image.Config;
      const named = { ...request, name: freeName };
      const own = Object.entries(request.environment).map(([name, value]) => `${name}=${value}`);
      const choice = choosePorts({
        declared: request.ports ?? [],
        label: Labels?.[LABEL.port],
        exposed: Object.keys(ExposedPorts ?? {}),
        environment: [...(Env ?? []), ...own],
      });
      const endpoint = await this.#startOn(named, choice, network, signal);
      const again = async (found: readonly Port[], over: AbortSignal) =>
        await this.#startOn(named, withFound(choice, found), network, over);
      return this.hold(endpoint, again);
    } catch (error) {
      throw asStartError(engineError(error, 'starting the container', signal));
    }
  }

  async #startOn(
    request: StartRequest,
    choice: PortChoice,
    network: string,
    signal: AbortSignal,
  ): Promise<Endpoint> {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      const endpoint = await this.#tryToStart(request, choice, network, attempt);
      if (endpoint !== undefined) return endpoint;
    }
  }

  /**
   * One at a time: the engine lets two networks have one name, and then takes neither. Whoever gives
   * up meanwhile ends it for nobody else.
   */
  async #network(signal: AbortSignal): Promise<string> {
    this.#makingNetwork ??= ensureNetwork(this.#engine, this.#instance).finally(() => {
      this.#makingNetwork = undefined;
    });
    return await askEngine('looking for the network', this.#makingNetwork, signal);
  }

  /** Takes a running container into a scope: it goes away with it, unless it is kept. */
  hold(endpoint: Endpoint, again?: StartedContainer['again']): StartedContainer {
    let kept = false;
    const held: StartedContainer = {
      endpoint,
      keep: () => {
        kept = true;
      },
      [Symbol.asyncDispose]: async () => {
        // Where the engine is away, that is told by what failed; the next start finds the rest.
        if (!kept) await this.remove(held.endpoint).catch(() => {});
      },
    };
    if (again !== undefined) {
      held.again = async (found, signal) => (held.endpoint = await again(found, signal));
    }
    return held;
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
      this.#held.set(containerId, hostPorts);
      await askEngine('starting the container', container.start());
    } catch (error) {
      if (containerId === '') this.#hostPorts.release(hostPorts, Date.now());
      else await this.remove({ containerId });
      if (!isPortTaken(error) || attempt === PORT_ATTEMPTS) throw error;
      this.#hostPorts.moveOn();
      return undefined;
    }
    const { port, rule: portRule, guessed } = choice;
    const host = this.#allowance.publishOn;
    return { host, protocol: 'http', port, published, containerId, portRule, guessed };
  }

  /** What the container is doing; `undefined` where it is gone. */
  async vitals(id: string): Promise<Vitals | undefined> {
    const found = await this.#inspect(id);
    if (found === undefined) return undefined;
    const { Running, ExitCode, OOMKilled, Health: health } = found.State;
    const vitals = { running: Running, exitCode: ExitCode, outOfMemory: OOMKilled };
    const shown = health && toHealth(health);
    return shown === undefined ? vitals : { ...vitals, health: shown };
  }

  /** Where the application listens; `undefined` where that cannot be read from this machine. */
  async listening(id: string): Promise<ListeningSocket[] | undefined> {
    const found = await this.#inspect(id);
    return found?.State.Running === true ? await listeningIn(id, found.State.Pid) : undefined;
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

  /** Lets a container go on that somebody paused. */
  async unpause(id: string): Promise<void> {
    await askEngine('waking the container', this.#engine.docker.getContainer(id).unpause());
  }

  /** Removes a container of ours, running or not, and gives its ports back. */
  async remove({ containerId }: Pick<Endpoint, 'containerId'>): Promise<void> {
    const gone = this.#engine.docker.getContainer(containerId).remove({ force: true, v: true });
    try {
      await askEngine('removing the container', gone);
    } catch (error) {
      if (isConflict(error)) await this.#untilGone(containerId);
      else if (!isMissing(error)) throw error;
    }
    this.#giveBack(containerId);
  }

  /** Once only: its ports may be another container's by the next time. */
  #giveBack(id: string): void {
    this.#hostPorts.release(this.#held.get(id) ?? [], Date.now());
    this.#held.delete(id);
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
    const before = new Set(this.#held.keys());
    const listed = this.#engine.docker.listContainers({ all: true, filters });
    const ids = (await askEngine('asking for the containers', listed)).map(({ Id }) => Id);
    const inspected = await Promise.all(ids.map(async (id) => await this.#inspect(id)));
    const containers = inspected
      // A container run by hand from an image of pool's inherits its labels, but not the name.
      .filter((one) => one?.Name.startsWith(`/pool-${this.#instance}-`) === true)
      .map((one) => one && toFound(one, this.#allowance.publishOn))
      .filter((container) => container !== undefined);
    for (const { id, endpoint } of containers) {
      // It was removed since it was listed, and its ports were given back.
      if (before.delete(id) && !this.#held.has(id)) continue;
      const ports = Object.values(endpoint.published);
      this.#hostPorts.claim(ports);
      this.#held.set(id, ports);
    }
    // Somebody else removed these.
    for (const id of before) this.#giveBack(id);
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

  async #freeName({ name, beside }: StartRequest): Promise<string> {
    const other = beside === undefined ? undefined : await this.#inspect(beside);
    return other?.Name === `/${name}` ? `${name}-2` : name;
  }

  /** What an earlier attempt, killed in the middle, left under this name. */
  async #removeByName(name: string): Promise<void> {
    const left = await this.#inspect(name);
    if (left === undefined) return;
    if (left.Config.Labels[LABEL.instance] !== this.#instance) {
      throw new Error(`a container named ${name} exists that is not pool's`);
    }
    await this.remove({ containerId: left.Id });
  }
}

function toHealth({ Status, Log }: NonNullable<Inspected['State']['Health']>): Health | undefined {
  const status = (['starting', 'healthy', 'unhealthy'] as const).find((one) => one === Status);
  const output = plainText(Log?.at(-1)?.Output ?? '').trim();
  return status && { status, output: output.slice(0, HEALTH_OUTPUT_LIMIT) };
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
