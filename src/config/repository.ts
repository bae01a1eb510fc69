import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { REPOSITORY_NAME_LIMIT, type RepositoryName, toRepositoryName } from '../address/label.ts';
import { toRemotePlace } from '../mirror/remote-place.ts';
import { toRemoteUrl, transportOf } from '../mirror/remote-url.ts';
import { InnerPath, Value } from '../source/commit-settings.ts';
import { strict } from './strict.ts';

/** As git, and what names images in CI, shorten an id. */
export const SHORT = 7;

/** A registry that may be left out, a path, and a tag; as the engine has it. */
const REFERENCE =
  /^([a-zA-Z0-9.-]+(:[0-9]{1,5})?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*:[\w][\w.-]{0,127}$/;

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

function file(folder: string) {
  return z
    .string()
    .min(1)
    .transform((path) => resolve(folder, path))
    .optional();
}

/** What a repository is fetched with. Values are secrets, and only named here. */
function credentials(folder: string) {
  return {
    /** The private key of a deploy key, for an ssh URL; nobody else may read the file.
     * @default those in ~/.ssh
     * @example './shop.key' */
    sshKey: file(folder),
    /** The host keys that are believed, as ssh-keyscan prints them.
     * @default ~/.ssh/known_hosts
     * @example './known_hosts' */
    knownHosts: file(folder),
    /** A file whose first line is the token for an https URL, read anew at each fetch.
     * @default undefined
     * @example './shop.token' */
    tokenFile: file(folder),
    /** The variable of pool's own environment that has the token, where no file does.
     * @default undefined
     * @example 'SHOP_TOKEN' */
    tokenEnv: Variable.optional(),
    /** The user that the token belongs to; most hosts take any.
     * @default x-access-token
     * @example 'oauth2' */
    tokenUser: z
      .string()
      .regex(/^[^\s:]+$/, 'expected a name without spaces and colons')
      .optional(),
    /** Certificates of the authorities that an https URL's host is believed by, instead of the system's.
     * @default those of the system
     * @example './ca.pem' */
    caFile: file(folder),
  };
}

/** The transport that each of these options belongs to. */
const TRANSPORTS = {
  sshKey: 'ssh',
  knownHosts: 'ssh',
  tokenFile: 'https',
  tokenEnv: 'https',
  tokenUser: 'https',
  caFile: 'https',
} as const;

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
    envFile: file(folder),
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
    /** A path, or an https or ssh URL, also as scp writes it. Two names may share one.
     * @example 'https://git.example.com/shop.git' */
    url: z.string().transform((text, context) => {
      const read = toRemoteUrl(text, folder);
      if ('url' in read) return read.url;
      context.addIssue(read.problem);
      return z.NEVER;
    }),
    ...credentials(folder),
    /** The folder of a commit that is built.
     * @default the top
     * @example 'services/web' */
    context: InnerPath.optional(),
    /** The Dockerfile, from the top of the repository.
     * @default the one in the context
     * @example 'docker/web.Dockerfile' */
    dockerfile: InnerPath.optional(),
    /** Where submodules may be fetched from: URLs or paths, with all that lies in folders below them. Others are empty folders.
     * @default []
     * @example ['https://git.example.com/shop/'] */
    submodules: z
      .array(
        z
          .string()
          .transform((text) => (/^\.{0,2}\//.test(text) ? resolve(folder, text) : text))
          .refine(
            isPrefix,
            'expected an https or ssh URL, or a path that begins with /, ./ or ../',
          ),
      )
      .default([]),
    /** Whether builds get the files that Git LFS keeps, instead of their pointers. From https and ssh remotes that takes git-lfs.
     * @default false
     * @example true */
    lfs: z.boolean().default(false),
    /** The image that CI made of a commit: pulled where its registry has it, else the commit is built. `{commit}` or `{short}`, its first seven digits, must be in it; `{repository}` may.
     * @default undefined
     * @example 'registry.example.com/shop:{commit}' */
    image: z
      .string()
      .refine((image) => /\{(commit|short)\}/.test(image), 'expected {commit} or {short} in it')
      .refine(
        (image) => REFERENCE.test(imageReference(image, 'shop', '0'.repeat(64))),
        'expected an image with a tag such as registry.example.com/shop:{commit}',
      )
      .optional(),
    ...environment(folder),
    /** Environment on top of it for commits that a matching branch or tag points at, in order.
     * @default []
     * @example [{ match: 'release/*', envFile: './production.env' }] */
    refs: z.array(layer).default([]),
  })
    .superRefine((given, context) => {
      for (const [key, transport] of Object.entries(TRANSPORTS)) {
        const used = given[key as keyof typeof TRANSPORTS] !== undefined;
        const message = `expected an ${transport} URL beside it`;
        if (used && transport !== transportOf(given.url))
          context.addIssue({ code: 'custom', path: [key], message });
      }
      if (given.tokenFile !== undefined && given.tokenEnv !== undefined) {
        const message = 'expected either tokenFile or tokenEnv';
        context.addIssue({ code: 'custom', path: ['tokenEnv'], message });
      }
    })
    .transform(({ name, url, context, dockerfile, submodules, lfs, image, ...given }) => {
      const { env, envFile, requiredEnv, refs, ...access } = given;
      return {
        name: name ?? nameOf(url),
        url,
        access,
        submodules,
        lfs,
        image,
        /** What a commit's own settings start from. */
        settings: {
          ...(context === undefined ? {} : { context }),
          ...(dockerfile === undefined ? {} : { dockerfile }),
        },
        layers: [{ match: undefined, env, envFile, requiredEnv }, ...refs],
      };
    });
  // A union would tell of both forms where only one was meant.
  return z
    .custom<string | z.input<typeof entry>>()
    .transform((given) => (typeof given === 'string' ? fromSpec(given) : given))
    .pipe(entry);
}

/** One repository that is served, and what its previews are given. */
export type RepositoryConfig = z.output<ReturnType<typeof repositoryIn>>;

/** The name of the image that CI made of a commit. */
export function imageReference(image: string, repository: string, commit: string): string {
  const values = { commit, short: commit.slice(0, SHORT), repository };
  return Object.entries(values).reduce(
    (text, [name, value]) => text.replaceAll(`{${name}}`, value),
    image,
  );
}

/** Variables of a container that are pool's alone. */
export function isPools(name: string): boolean {
  return name === 'PORT' || name.startsWith('POOL_');
}

/** `<path or URL>`, or `name=<…>`. */
function fromSpec(spec: string): { name?: string; url: string } {
  const [, name, url = ''] = /^(?:([^/=:]+)=)?(.*)$/s.exec(spec) ?? [];
  return name === undefined ? { url } : { name, url };
}

/** The root of this machine is no folder that anybody means. */
function isPrefix(text: string): boolean {
  const place = toRemotePlace(text);
  return place !== undefined && (place.server !== '' || place.folders.length > 0);
}

/** A name out of the last part of a path or URL; digits alone get a word before them. */
function nameOf(url: string): RepositoryName {
  const last = basename(
    url
      .replace(/^[^/]*:/, '')
      .replace(/\/+$/, '')
      .replace(/\/?\.git$/, ''),
  );
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
