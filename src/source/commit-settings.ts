import { parseDocument } from 'yaml';
import { z } from 'zod';
import { type Port, toPort } from '../address/label.ts';
import { PreviewError } from '../errors.ts';
import { issueWords } from '../issue-words.ts';
import type { CommitId } from '../mirror/commit-id.ts';
import { readTopFile } from '../mirror/object-reader.ts';
import { nearest } from '../nearest.ts';

/** Where a commit says how it is built and started: a file at its top. */
export const SETTINGS_FILE = '.pool.yml';

/** Some screens of text; the parser's time grows with the square of the number of keys. */
const FILE_LIMIT = 8 * 1024;
const PORT_LIMIT = 16;
const PORT = 'expected a port from 1 to 65535';
const PORTS = `${PORT}, or a list of at most ${PORT_LIMIT}`;

/** A path inside the commit: no `..`, no slash before or after it; empty for the top. */
export const InnerPath = z.string().transform((text, context) => {
  const parts = text.split('/').filter((part) => part !== '.' && part !== '');
  if (text === '' || text.startsWith('/') || parts.includes('..') || /\p{Cc}/u.test(text)) {
    context.addIssue('expected a path inside the commit, such as web/app');
    return z.NEVER;
  }
  return parts.join('/');
});

const Name = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a name of letters, digits and underscores')
  .refine((name) => !name.startsWith('POOL_'), "names that begin with POOL_ are pool's own");
/** The value of a variable or an argument. */
export const Value = z.string().refine((text) => !text.includes('\0'), 'expected text without NUL');

const PortNumber = z.string(PORTS).transform((text, context): Port => {
  const port = toPort(text);
  if (port !== undefined) return port;
  context.addIssue(text === '' ? PORT : `${PORT}, not "${text.slice(0, 20)}"`);
  return z.NEVER;
});

/**
 * What a commit may say of itself. It widens nothing that the operator allows: paths stay in the
 * commit, target and arguments reach only steps that its Dockerfile could hold as well, variables
 * only its own container, ports are published on loopback as EXPOSEd ones are, and there is no key
 * for limits, capabilities, mounts or networks.
 */
const Settings = z.strictObject({
  /** The Dockerfile, from the commit's top; without it the one in the context. */
  dockerfile: InnerPath.refine((path) => path !== '', 'expected the path of a file').optional(),
  /** The folder that is the build context. */
  context: InnerPath.optional(),
  /** The stage to build. */
  target: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'expected the name of a stage')
    .optional(),
  /** Values for the Dockerfile's ARGs. */
  args: z.record(Name, Value).optional(),
  /** The ports to publish; the first one answers by default. */
  port: z
    .preprocess((given) => [given].flat(), z.array(PortNumber).min(1, PORTS).max(PORT_LIMIT, PORTS))
    .optional(),
  /** Variables of the container. */
  env: z
    .record(
      Name.refine((name) => name !== 'PORT', 'PORT is set by pool; say "port" instead'),
      Value,
    )
    .optional(),
  /** The path that is asked until the application is ready. */
  health: z
    .string()
    .regex(/^\/[!"$-~]*$/, 'expected a path such as /healthz')
    .optional(),
  /** What the application speaks; found out where it is not said. */
  protocol: z.enum(['http', 'h2c'], 'expected http or h2c').optional(),
});

/** A commit's own settings, checked, under those that an operator gave its repository. */
export type CommitSettings = z.output<typeof Settings>;

/**
 * Reads a commit's settings out of the object store; `defaults` hold where it says nothing.
 * Throws `pool-yml` with everything that is wrong.
 */
export async function readSettings(
  gitDir: string,
  commit: CommitId,
  defaults: Pick<CommitSettings, 'context' | 'dockerfile'>,
  signal: AbortSignal,
): Promise<CommitSettings> {
  const file = await readTopFile(gitDir, commit, SETTINGS_FILE, FILE_LIMIT, signal);
  if (file === undefined) return defaults;
  if (file.size > FILE_LIMIT) throw wrong([`it is larger than ${FILE_LIMIT / 1024} KiB`]);
  return { ...defaults, ...parseSettings(file.text) };
}

/** Checks the text of a `.pool.yml`; throws `pool-yml`. */
export function parseSettings(text: string): CommitSettings {
  const result = Settings.safeParse(parseYaml(text), { reportInput: true });
  if (result.success) return result.data;
  throw wrong(result.error.issues.map(explain));
}

/** Every value is the text that stands there: `1.10` and `yes` are no number and no truth. */
function parseYaml(text: string): unknown {
  const document = parseDocument(text, { schema: 'failsafe', logLevel: 'error' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw wrong([problem.message.split('\n')[0] ?? '']);
  try {
    // An alias could repeat what it names without end.
    return document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw wrong(['anchors and aliases are not read'], { cause });
  }
}

function explain(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return issue.keys.map(unknownKey).join('; ');
  // One port is no list to whoever wrote it; which one of several is wrong stands in the words.
  const at = issue.path.filter((part) => typeof part !== 'number').join('.');
  return at === ''
    ? 'expected keys and values, such as "port: 3000"'
    : `${at}: ${issueWords(issue)}`;
}

function unknownKey(key: string): string {
  const known = Object.keys(Settings.shape);
  const [near] = nearest(key, known, (name) => name, 1);
  const hint = near === undefined ? `it may hold ${known.join(', ')}` : `did you mean "${near}"?`;
  return `unknown key "${key.slice(0, 40)}"; ${hint}`;
}

function wrong(problems: readonly string[], options?: ErrorOptions): PreviewError {
  const shown = problems.slice(0, 5).map((problem) => problem.slice(0, 200).replace(/[.:]$/, ''));
  return new PreviewError(
    'pool-yml',
    `${SETTINGS_FILE} of this commit cannot be read: ${shown.join('; ')}.`,
    'Mend it in a new commit, and visit that one.',
    options,
  );
}
