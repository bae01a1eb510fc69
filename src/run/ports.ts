import { LABEL } from '../engine/labels.ts';
import { PreviewError } from '../errors.ts';
import { type Port, toPort } from '../address/label.ts';

/** Everything that says something about a container's ports, the strongest word first. */
export interface PortSources {
  /** Ports of `.pool.yml`, the one that answers by default first. */
  declared: readonly Port[];
  /** The label `dev.pool.port` of the image, as its Dockerfile wrote it. */
  label: string | undefined;
  /** What the image EXPOSEs, as the engine gives it: "3000/tcp". */
  exposed: readonly string[];
  /** The environment that the application gets: "PORT=3000"; the last of a name counts. */
  environment: readonly string[];
}

/** Which of a container's ports are published, and which one answers by default. */
export interface PortChoice {
  published: Port[];
  port: Port;
  /** The rule that won, in words. */
  rule: string;
  /** The value of `PORT` that the container gets. */
  environment: Port;
  /** Nothing named a port: whichever answers first is the one. */
  guessed: boolean;
}

/** Several ports are EXPOSEd: the first of these that is among them most likely speaks HTTP. */
const LIKELY = [80, 8080, 3000, 8000, 5000, 4000, 8888, 9000];

/** Each published port costs the engine a process; a range of ports is a mistake. */
const PORT_LIMIT = 16;

/** What an image that says nothing is told to listen on. */
const DEFAULT = 8080 as Port;

/**
 * Where applications listen that nobody told a port, and that do not read `PORT`: Node's and Ruby's
 * frameworks, web servers, Python's, Flask. Five, since each costs 15 ms at the start, 40 ms at the
 * end and a process of 3 MB; others are found by looking into the container.
 */
const USUAL = [DEFAULT, 3000, 80, 8000, 5000] as Port[];

/** So many ports found in a container leave room for the usual ones, and the likeliest, beside them. */
const FOUND_LIMIT = PORT_LIMIT - USUAL.length - 1;

/**
 * Chooses ports: all that anything names are published; the default is the first of `.pool.yml`,
 * the label's, `PORT` of the environment, the only one EXPOSEd, or the likeliest of several.
 * Throws `dockerfile-invalid` beyond 16 of them, and where the label is no port.
 */
export function choosePorts({ declared, label, exposed, environment }: PortSources): PortChoice {
  const labelled = label === undefined ? undefined : (toPort(label) ?? refuseLabel(label));
  const named = environment.findLast((entry) => entry.startsWith('PORT='));
  const wanted = named === undefined ? undefined : toPort(named.slice('PORT='.length));
  const first = [...declared, labelled, wanted].filter((port) => port !== undefined);
  const published = [...new Set([...first, ...exposed.flatMap(tcpPort)])].toSorted((a, b) => a - b);

  if (published.length > PORT_LIMIT) throw tooMany(published.length);
  const [only] = published;
  if (only === undefined) {
    const rule = `nothing is EXPOSEd, so PORT=${DEFAULT} was set`;
    return { published: USUAL, port: DEFAULT, rule, environment: DEFAULT, guessed: true };
  }
  const choice = (port: Port, rule: string): PortChoice => {
    return { published, port, rule, environment: declared[0] ?? wanted ?? port, guessed: false };
  };
  if (declared[0] !== undefined) return choice(declared[0], `port ${declared[0]} of .pool.yml`);
  if (labelled !== undefined) return choice(labelled, `LABEL ${LABEL.port}=${labelled}`);
  if (wanted !== undefined) return choice(wanted, `PORT=${wanted} of the image`);
  if (published.length === 1) return choice(only, `EXPOSE ${only}, the only port`);
  const likely = LIKELY.find((port) => published.includes(port as Port)) ?? only;
  return choice(likely as Port, `EXPOSE ${likely}, the likeliest of ${published.join(', ')}`);
}

/** The same container once more, with the ports on which it was found listening beside its own. */
export function withFound(choice: PortChoice, found: readonly Port[]): PortChoice {
  const likely = LIKELY.find((port) => found.includes(port as Port)) ?? found[0];
  const port = (likely ?? choice.port) as Port;
  const published = [...new Set([...found.slice(0, FOUND_LIMIT), port, ...choice.published])];
  return {
    ...choice,
    published,
    port,
    rule: `${port} was found listening, and nothing is EXPOSEd`,
  };
}

function tcpPort(text: string): Port[] {
  const [digits = '', protocol = 'tcp'] = text.split('/');
  const port = protocol === 'tcp' ? toPort(digits) : undefined;
  return port === undefined ? [] : [port];
}

function tooMany(count: number): PreviewError {
  return new PreviewError(
    'dockerfile-invalid',
    `The image EXPOSEs ${count} ports; pool publishes at most ${PORT_LIMIT}.`,
    'EXPOSE only the ports that visitors need, in a new commit, and visit that one.',
  );
}

function refuseLabel(label: string): never {
  throw new PreviewError(
    'dockerfile-invalid',
    `LABEL ${LABEL.port} of the image is "${label.slice(0, 40)}", which is no port.`,
    'Write a number from 1 to 65535 there, in a new commit, and visit that one.',
  );
}
