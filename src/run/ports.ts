import { PreviewError } from '../errors.ts';
import { type Port, toPort } from '../address/label.ts';

/** Which of a container's ports are published, and which one answers by default. */
export interface PortChoice {
  published: Port[];
  port: Port;
  /** The rule that won, in words. */
  rule: string;
  /** The value of `PORT` that the container gets. */
  environment: Port;
}

/** Several ports are EXPOSEd: the first of these that is among them most likely speaks HTTP. */
const LIKELY = [80, 8080, 3000, 8000, 5000, 4000, 8888, 9000];

/** Each published port costs the engine a process; a range of ports is a mistake. */
const PORT_LIMIT = 16;

/** What an image that says nothing is told to listen on. */
const DEFAULT = 8080 as Port;

/**
 * Chooses ports from an image's settings: every EXPOSEd TCP port and its `PORT` are published.
 * So are those that the commit declares, of which the first one answers. Throws `dockerfile-invalid`
 * beyond 16 of them. `exposed` is as the engine gives it ("3000/tcp"), `environment` the image's
 * ("PORT=3000").
 */
export function choosePorts(
  exposed: readonly string[],
  environment: readonly string[],
  declared: readonly Port[] = [],
): PortChoice {
  const open = exposed.flatMap((text) => {
    const [digits = '', protocol = 'tcp'] = text.split('/');
    const port = protocol === 'tcp' ? toPort(digits) : undefined;
    return port === undefined ? [] : [port];
  });
  const named = environment.find((entry) => entry.startsWith('PORT='));
  const wanted = named === undefined ? undefined : toPort(named.slice('PORT='.length));
  const published = [...new Set([...declared, ...open, ...(wanted === undefined ? [] : [wanted])])];
  const sorted = published.toSorted((a, b) => a - b);

  if (sorted.length > PORT_LIMIT) throw tooMany(sorted.length);
  const [only, ...others] = sorted;
  if (only === undefined) {
    const rule = `nothing is EXPOSEd, so PORT=${DEFAULT} was set`;
    return { published: [DEFAULT], port: DEFAULT, rule, environment: DEFAULT };
  }
  const choice = (port: Port, rule: string): PortChoice => ({
    published: sorted,
    port,
    rule,
    environment: declared[0] ?? wanted ?? port,
  });
  if (declared[0] !== undefined) return choice(declared[0], `port ${declared[0]} of .pool.yml`);
  if (wanted !== undefined) return choice(wanted, `PORT=${wanted} of the image`);
  if (others.length === 0) return choice(only, `EXPOSE ${only}, the only port`);
  const likely = LIKELY.find((port) => sorted.includes(port as Port)) ?? only;
  return choice(likely as Port, `EXPOSE ${likely}, the likeliest of ${sorted.join(', ')}`);
}

function tooMany(count: number): PreviewError {
  return new PreviewError(
    'dockerfile-invalid',
    `The image EXPOSEs ${count} ports; pool publishes at most ${PORT_LIMIT}.`,
    'EXPOSE only the ports that visitors need, in a new commit, and visit that one.',
  );
}
