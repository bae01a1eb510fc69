import { basename, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { REPOSITORY_NAME_LIMIT, type RepositoryName, toRepositoryName } from '../address/label.ts';
import { InnerPath, Value } from '../source/commit-settings.ts';
import { strict } from './strict.ts';

const Name = z.string().transform((text, context) => {
  const name = toRepositoryName(text);
  if (name !== undefined) return name;
  context.addIssue(
    `expected a name of a-z, 0-9 and single hyphens, not only digits, at most ${REPOSITORY_NAME_LIMIT} long`,
  );
  return z.NEVER;
});

const Variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable such as API_URL')
  .refine((name) => !isPools(name), 'PORT and POOL_… are set by pool itself');

/** What a container is given beside pool's own variables. Values are secrets: no page or log has them. */
function environment(folder: string) {
  return {
    /** Variables of the container. They win over those of `envFile`.
     * @default {}
     * @example { API_URL: 'https://api.example.com' } */
    env: z.record(Variable, Value).default({}),
    /** A file of `NAME=value` lines, read anew at each start of a preview.
     * @default undefined
     * @example './shop.env' */
    envFile: z
      .string()
      .min(1)
      .transform((path) => resolve(folder, path))
      .optional(),
    /** Variables without which nothing is built or started: the preview says which are missing.
     * @default []
     * @example ['API_TOKEN'] */
    requiredEnv: z.array(Variable).default([]),
  };
}

/** The schema of one repository; relative paths begin at `folder`. */
export function repositoryIn(folder: string) {
  const layer = strict({
    /** Branches by name, tags as `refs/tags/…`; `*` and `?` stand for anything but `/`.
     * @example 'release/*' */
    match: z.string().min(1),
    ...environment(folder),
  });
  const entry = strict({
    /** How addresses name it.
     * @default the last part of url
     * @example 'shop' */
    name: Name.optional(),
    /** A path, or an https URL. Two names may share one.
     * @example 'https://git.example.com/shop.git' */
    url: z.string().transform((text, context) => {
      const url = toUrl(text, folder);
      if (url !== undefined) return url;
      context.addIssue('expected the path of a Git repository or an https URL');
      return z.NEVER;
    }),
    /** The folder of a commit that is built.
     * @default the top
     * @example 'services/web' */
    context: InnerPath.optional(),
    /** The Dockerfile, from the top of the repository.
     * @default the one in the context
     * @example 'docker/web.Dockerfile' */
    dockerfile: InnerPath.optional(),
    ...environment(folder),
    /** Environment on top of it for commits that a matching branch or tag points at, in order.
     * @default []
     * @example [{ match: 'release/*', envFile: './production.env' }] */
    refs: z.array(layer).default([]),
  }).transform(({ name, url, context, dockerfile, env, envFile, requiredEnv, refs }) => ({
    name: name ?? nameOf(url),
    url,
    /** What a commit's own settings start from. */
    settings: {
      ...(context === undefined ? {} : { context }),
      ...(dockerfile === undefined ? {} : { dockerfile }),
    },
    layers: [{ match: undefined, env, envFile, requiredEnv }, ...refs],
  }));
  // A union would tell of both forms where only one was meant.
  return z
    .custom<string | z.input<typeof entry>>()
    .transform((given) => (typeof given === 'string' ? fromSpec(given) : given))
    .pipe(entry);
}

/** One repository that is served, and what its previews are given. */
export type RepositoryConfig = z.output<ReturnType<typeof repositoryIn>>;

/** Variables of a container that are pool's alone. */
export function isPools(name: string): boolean {
  return name === 'PORT' || name.startsWith('POOL_');
}

/** `<path or URL>`, or `name=<…>`. */
function fromSpec(spec: string): { name?: string; url: string } {
  const [, name, url = ''] = /^(?:([^/=:]+)=)?(.*)$/s.exec(spec) ?? [];
  return name === undefined ? { url } : { name, url };
}

/** An absolute path, or an https URL without credentials in it; control characters never. */
function toUrl(place: string, folder: string): string | undefined {
  if (place === '' || /[\u0000-\u001F\u007F]/.test(place)) return undefined;
  if (place.startsWith('https://')) {
    const url = URL.canParse(place) ? new URL(place) : undefined;
    return url !== undefined && url.username === '' && url.password === '' ? place : undefined;
  }
  // Another scheme, scp's host:path, or what git would take for an option.
  if (/^([a-z][a-z0-9+.-]*|[^/]+@[^/]+):/i.test(place) || place.startsWith('-')) return undefined;
  return isAbsolute(place) ? place : resolve(folder, place);
}

/** A name out of the last part of a path or URL; digits alone get a word before them. */
function nameOf(url: string): RepositoryName {
  const last = basename(url.replace(/\/+$/, '').replace(/\/?\.git$/, ''));
  const plain = last
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, REPOSITORY_NAME_LIMIT)
    .replaceAll(/^-|-$/g, '');
  const worded = /^[0-9]*$/.test(plain)
    ? `repository-${plain}`.slice(0, REPOSITORY_NAME_LIMIT)
    : plain;
  return worded.replace(/-$/, '') as RepositoryName;
}
