import { z } from 'zod';
import { toPort } from '../address/label.ts';
import { BuildSummary } from '../build/image.ts';
import { LABEL } from '../engine/labels.ts';
import type { Endpoint } from './endpoint.ts';

/** A container of ours that the engine knows, as its labels tell it. */
export interface FoundContainer {
  id: string;
  repository: string;
  commit: string;
  /** Its process runs, and its ports are published where pool dials. */
  running: boolean;
  /** When it was made, in ms of the epoch. */
  createdAt: number;
  /** Frozen by somebody, which counts as running. */
  paused: boolean;
  endpoint: Endpoint;
  build: BuildSummary;
}

/** What the engine says of an image's HEALTHCHECK, the last check at the end. */
const Health = z.object({
  Status: z.string(),
  Log: z
    .array(z.object({ Output: z.string() }))
    .nullable()
    .optional(),
});

const Binding = z.object({ HostIp: z.string(), HostPort: z.string() });

/** What pool relies on in the engine's answer about a container. */
export const Inspected = z.object({
  Id: z.string(),
  Name: z.string(),
  Created: z.string().default(''),
  State: z.object({
    Running: z.boolean(),
    Paused: z.boolean().default(false),
    ExitCode: z.number(),
    OOMKilled: z.boolean(),
    Pid: z.number(),
    Health: Health.optional(),
  }),
  Config: z.object({ Labels: z.record(z.string(), z.string()) }),
  HostConfig: z.object({
    PortBindings: z.record(z.string(), z.array(Binding)).nullable(),
  }),
});
export type Inspected = z.infer<typeof Inspected>;

/**
 * Reads a container by its labels; `undefined` where they are not what pool writes. One that was
 * published on another address than `host` is as good as ended: who answers there is not known.
 */
export function toFound(
  { Id, Created, State, Config, HostConfig }: Inspected,
  host: string,
): FoundContainer | undefined {
  const labels = Config.Labels;
  const bindings = Object.values(HostConfig.PortBindings ?? {}).flat();
  const port = toPort(labels[LABEL.port] ?? '');
  const build = BuildSummary.safeParse(parseJson(labels[LABEL.build] ?? ''));
  if (port === undefined || !build.success) return undefined;
  return {
    id: Id,
    repository: labels[LABEL.repository] ?? '',
    commit: labels[LABEL.commit] ?? '',
    running: State.Running && bindings.every(({ HostIp }) => HostIp === host),
    createdAt: Date.parse(Created),
    paused: State.Paused,
    build: build.data,
    endpoint: {
      host,
      protocol: 'http',
      port,
      published: publishedBy(HostConfig),
      containerId: Id,
      portRule: labels[LABEL.portRule] ?? '',
      guessed: labels[LABEL.portGuessed] === 'true',
    },
  };
}

/** Container port to host port, of what the engine was asked to publish. */
function publishedBy({ PortBindings }: Inspected['HostConfig']): Record<number, number> {
  const bindings = Object.entries(PortBindings ?? {});
  return Object.fromEntries(
    bindings.map(([name, [to]]) => [Number.parseInt(name, 10), Number(to?.HostPort)]),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
