import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseEnv } from 'node:util';
import { PreviewError } from '../errors.ts';
import type { Problem } from './parse-config.ts';
import { isPools, type RepositoryConfig } from './repository.ts';

type Layer = RepositoryConfig['layers'][number];

/** Of a ref, what decides which layers its commit gets. */
export interface NamedRef {
  kind: 'branch' | 'tag';
  name: string;
}

/** A variable as pages tell it: where it comes from, and never its value. */
export interface VariableName {
  name: string;
  /** `default`, or the pattern of the layer that it comes from. */
  layer: string;
}

/**
 * What a commit's container gets: the repository's own layer, then those whose pattern matches a
 * branch or tag that points at the commit itself. A commit that only lies below one gets nothing
 * of it, so that no old address holds what was meant for a release. Files are read anew each time.
 * Throws `env-missing`.
 */
export async function environmentOf(
  repository: RepositoryConfig,
  refs: readonly NamedRef[],
): Promise<Record<string, string>> {
  const read = await readLayers(repository, refs);
  const values = Object.fromEntries(read.flatMap(({ variables }) => Object.entries(variables)));
  const missing = read.flatMap(({ layer }) =>
    layer.requiredEnv.filter((name) => (values[name] ?? '') === ''),
  );
  const unread = read.filter(({ problem }) => problem !== undefined);
  if (missing.length === 0 && unread.length === 0) return values;
  // Visitors read this: the file's name is enough.
  const problems = [
    ...new Set(missing).values().map((name) => `${name} has no value`),
    ...unread.map(
      ({ layer, problem }) => `${basename(layer.envFile ?? '')} cannot be read (${problem})`,
    ),
  ];
  throw new PreviewError(
    'env-missing',
    `The environment of ${repository.name} is not complete: ${problems.join('; ')}.`,
    `Whoever runs pool sets it in "env" or "envFile" of ${repository.name} in pool.config.ts; an "envFile" is read anew at the next visit, the rest at a restart of pool.`,
  );
}

/** The same without values. A file that cannot be read has no names. */
export async function variableNames(
  repository: RepositoryConfig,
  refs: readonly NamedRef[],
): Promise<VariableName[]> {
  const names = new Map<string, string>();
  for (const { layer, variables } of await readLayers(repository, refs)) {
    for (const name of Object.keys(variables)) names.set(name, layer.match ?? 'default');
  }
  return [...names].map(([name, layer]) => ({ name, layer }));
}

/** Every file of variables that cannot be read: said when pool starts, not when somebody visits. */
export async function environmentProblems(
  repositories: readonly RepositoryConfig[],
): Promise<Problem[]> {
  const read = repositories.map(async ({ name, layers }) => {
    const all = await Promise.all(layers.map(readLayer));
    const unread = all.filter(({ problem }) => problem !== undefined);
    return unread.map(({ layer: { envFile }, problem }) => ({
      key: `envFile of ${name}`,
      message: `${envFile} cannot be read (${problem}); make it, or mend its path`,
      file: '',
    }));
  });
  return (await Promise.all(read)).flat();
}

/** Whether a layer is meant for a ref: `release/*` for branches, `refs/tags/v*` for tags. */
export function isFor(pattern: string, { kind, name }: NamedRef): boolean {
  // Who may push a tag may not always push to a protected branch: a tag never passes for one.
  const full = `refs/${kind === 'branch' ? 'heads' : 'tags'}/${name}`;
  const wanted = pattern.startsWith('refs/') ? pattern : `refs/heads/${pattern}`;
  const source = wanted
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, '[^/]*')
    .replaceAll('?', '[^/]');
  return new RegExp(`^${source}$`, 'su').test(full);
}

async function readLayers({ layers }: RepositoryConfig, refs: readonly NamedRef[]) {
  const meant = layers.filter(
    ({ match }) => match === undefined || refs.some((ref) => isFor(match, ref)),
  );
  return await Promise.all(meant.map(readLayer));
}

async function readLayer(
  layer: Layer,
): Promise<{ layer: Layer; variables: Record<string, string>; problem?: string }> {
  const { env, envFile } = layer;
  if (envFile === undefined) return { layer, variables: env };
  try {
    const written = Object.entries(parseEnv(await readFile(envFile, 'utf8')));
    const theirs = written.filter(([name]) => !isPools(name));
    return { layer, variables: { ...(Object.fromEntries(theirs) as typeof env), ...env } };
  } catch (error) {
    const problem = (error as NodeJS.ErrnoException).code ?? 'not readable';
    return { layer, variables: env, problem };
  }
}
