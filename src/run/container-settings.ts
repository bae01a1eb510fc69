import type Docker from 'dockerode';
import type { Port } from '../address/label.ts';
import type { Image } from '../build/image.ts';
import { LABEL } from '../engine/labels.ts';
import type { PortChoice } from './ports.ts';

const LOG_FILE = { 'max-size': '5m', 'max-file': '2' };

/** What one preview's container may take and do, and the address where it is published. */
export interface Allowance {
  publishOn: string;
  memoryBytes: number;
  processes: number;
  capabilities: readonly string[];
}

/** What a container is started for. */
export interface StartRequest {
  image: Image;
  /** The container's name, unique in the engine; another where that of `beside` is the same. */
  name: string;
  /** The id of a container of the same commit that serves meanwhile, and must stay. */
  beside?: string | undefined;
  repository: string;
  commit: string;
  /** Ports that the commit declares, the default first. */
  ports?: readonly Port[];
  /** The commit's own variables, the operator's and `POOL_…`; `PORT` names a port. */
  environment: Readonly<Record<string, string>>;
}

/** Everything that the engine is told of a preview's container. `published` is port to host port. */
export function containerSettings(
  request: StartRequest,
  choice: PortChoice,
  published: Readonly<Record<string, number>>,
  network: string,
  instance: string,
  allowance: Allowance,
): Docker.ContainerCreateOptions {
  const bindings = Object.entries(published).map(([port, hostPort]) => [
    `${port}/tcp`,
    [{ HostIp: allowance.publishOn, HostPort: String(hostPort) }],
  ]);
  const environment = { ...request.environment, PORT: String(choice.environment) };
  return {
    name: request.name,
    Image: request.image.id,
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ExposedPorts: Object.fromEntries(Object.keys(published).map((port) => [`${port}/tcp`, {}])),
    Labels: {
      [LABEL.instance]: instance,
      [LABEL.repository]: request.repository,
      [LABEL.commit]: request.commit,
      [LABEL.port]: String(choice.port),
      [LABEL.portRule]: choice.rule,
      [LABEL.portGuessed]: String(choice.guessed),
      [LABEL.build]: JSON.stringify(request.image.build),
    },
    HostConfig: {
      PortBindings: Object.fromEntries(bindings) as Docker.PortMap,
      NetworkMode: network,
      Memory: allowance.memoryBytes,
      PidsLimit: allowance.processes,
      CapDrop: ['ALL'],
      CapAdd: [...allowance.capabilities],
      SecurityOpt: ['no-new-privileges'],
      LogConfig: { Type: 'json-file', Config: LOG_FILE },
      RestartPolicy: { Name: 'no' },
    },
  };
}
