import { z } from 'zod';
import type { Engine } from '../engine/connect.ts';
import { askEngine } from '../engine/ask.ts';
import { isMissing } from '../engine/engine-error.ts';
import { LABEL } from '../engine/labels.ts';

const Origin = {
  /** The digest of the recipe. */
  recipe: z.string().optional(),
  /** The image that it stands on, as the Dockerfile spells it. */
  base: z.string().optional(),
  /** The name of the image that CI made, where that was pulled. */
  pulled: z.string().optional(),
  /** The name under which it was looked for in vain, in a registry or in the engine alone. */
  missing: z.string().optional(),
  /** When it was built, in ms of the epoch. */
  builtAt: z.number().optional(),
  /** What a person should know of its context. */
  notes: z.string().array().optional(),
};

/**
 * Where an image came from: a build, or an earlier build. What is optional is missing in the labels
 * of containers that an older pool made.
 */
export const BuildSummary = z.discriminatedUnion('reused', [
  z.object({
    reused: z.literal(false),
    builder: z.enum(['buildkit', 'classic']),
    ms: z.number(),
    /** Steps of the Dockerfile that the build came to, and how many of them the cache had. */
    steps: z.number(),
    cached: z.number(),
    /** The Dockerfile asks for the commit: every commit is built. */
    asksForCommit: z.boolean().optional(),
    /** It was built for a change of documentation; these lines of `.dockerignore` would spare it. */
    documentation: z.object({ files: z.string().array(), lines: z.string().array() }).optional(),
    ...Origin,
  }),
  z.object({
    reused: z.literal(true),
    /** Whether it was found by the commit's own name or by that of its recipe. */
    how: z.enum(['commit', 'recipe']).optional(),
    /** The commit that it was built for. */
    from: z.string().optional(),
    /** How long it took to find. */
    ms: z.number().optional(),
    ...Origin,
  }),
]);
export type BuildSummary = z.infer<typeof BuildSummary>;

/** Stands in the place of a recipe's digest in the label of an image that was pulled. */
export const PULLED = 'pulled';

/** An image that is ready to be started. */
export interface Image {
  id: string;
  build: BuildSummary;
}

/** Whose images are meant: those of one repository in one pool. Nobody else shares them. */
export interface Shelf {
  instance: string;
  repository: string;
}

/** The name by which a commit's image is found; a recipe's is `recipe-<digest>`. */
export function imageName({ instance, repository }: Shelf, tag: string): string {
  return `pool-${instance}/${repository}:${tag}`;
}

/** The tag of a recipe's image: the newest, where it was built more than once. */
export function recipeTag(digest: string): string {
  return `recipe-${digest}`;
}

/** The tag of an image that was built anew, and did not answer yet. */
export function rebuildTag(commit: string): string {
  return `rebuild-${commit}`;
}

/**
 * The labels of an image; `commit` is the one it was built for, others may come to share it. They tell
 * where it came from, and find nothing: the classic builder, which makes a step of each, builds without.
 */
export function imageLabels(
  { instance, repository }: Shelf,
  commit: string,
  recipe: { digest: string; base: string | undefined; notes: readonly string[] },
): Record<string, string> {
  return {
    [LABEL.instance]: instance,
    [LABEL.repository]: repository,
    [LABEL.commit]: commit,
    [LABEL.recipe]: [recipe.digest, recipe.base ?? '', encodeURIComponent(recipe.notes.join('\n'))]
      .join(' ')
      .trim(),
  };
}

/**
 * The image of a commit or of a recipe, where the engine still has it. It is found by a name that
 * only pool gives: a Dockerfile can write any label, but no name. A list would take the engine longer
 * the more images it has.
 */
export async function findImage(
  engine: Engine,
  shelf: Shelf,
  commit: string,
  tag: string,
  signal: AbortSignal,
): Promise<Image | undefined> {
  const doing = 'looking for an earlier image';
  const looked = engine.docker.getImage(imageName(shelf, tag)).inspect();
  try {
    const { Id: id, Created, RepoTags, Config } = await askEngine(doing, looked, signal);
    const tags = tagsOn(shelf, RepoTags);
    const told = { ...originOf(tags, Config.Labels ?? {}), builtAt: Date.parse(Created) };
    // Only an id has no hyphen.
    const other = tag === commit ? commit : tags.find((one) => !one.includes('-'));
    const { from = other ?? commit } = told;
    const how = from === commit ? 'commit' : 'recipe';
    return { id, build: { reused: true, how, ...told, from } };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The tags that an image has on a shelf. */
function tagsOn(shelf: Shelf, names: readonly string[]): string[] {
  const prefix = imageName(shelf, '');
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

type Origin = Pick<
  BuildSummary & { reused: true },
  'from' | 'recipe' | 'base' | 'pulled' | 'notes'
>;

/** What an image's labels tell, unless a Dockerfile wrote them: it cannot know its own recipe's digest. */
function originOf(tags: readonly string[], labels: Readonly<Record<string, string>>): Origin {
  const [digest = '', base, told = ''] = labels[LABEL.recipe]?.split(' ') ?? [];
  const from = labels[LABEL.commit];
  const recipes = tags.filter((tag) => tag.startsWith(recipeTag('')));
  if (recipes.includes(recipeTag(digest))) {
    const notes = told === '' ? undefined : decodeURIComponent(told).split('\n');
    return { from, recipe: digest, base, notes };
  }
  if (recipes.length === 0 && digest === PULLED) return { from, pulled: base };
  return { recipe: recipes[0]?.slice(recipeTag('').length) };
}

/** Takes a name from an image; one without another name is removed. */
export async function removeName({ docker }: Engine, name: string): Promise<void> {
  const gone = askEngine('removing the name of an image', docker.getImage(name).remove());
  await gone.catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** Removes an image that a rebuild left without a name. One that a container runs on stays. */
export async function removeNameless({ docker }: Engine, id: string): Promise<void> {
  const image = docker.getImage(id);
  const { RepoTags: names } = await askEngine('looking at the old image', image.inspect());
  if (names.length === 0) await askEngine('removing the old image', image.remove());
}

/** The names of images of rebuilds that did not come to their end. */
export async function rebuildNames({ docker }: Engine, instance: string): Promise<string[]> {
  const reference = [`pool-${instance}/*:${rebuildTag('*')}`];
  const listed = docker.listImages({ filters: { reference } });
  const names = (await askEngine('looking for rebuilds', listed)).flatMap(
    ({ RepoTags }) => RepoTags ?? [],
  );
  return names.filter((name) => name.includes(`:${rebuildTag('')}`));
}

/**
 * Removes this pool's images that have no name and run nothing: a rebuild that was killed left them.
 * At a start only, for a build's image has no name for a moment. Of the classic builder's nobody can
 * tell whose they are: they have no label.
 */
export async function removeAllNameless({ docker }: Engine, instance: string): Promise<void> {
  const filters = { dangling: ['true'], label: [`${LABEL.instance}=${instance}`] };
  await askEngine('removing old images', docker.pruneImages({ filters }));
}

/** Gives an image one more name, by which another commit finds it. */
export async function nameImage(
  { docker }: Engine,
  id: string,
  shelf: Shelf,
  tag: string,
): Promise<void> {
  const repo = imageName(shelf, tag).slice(0, -`:${tag}`.length);
  await askEngine('naming the image', docker.getImage(id).tag({ repo, tag }));
}

/** The names (`<repository>:<commit>`) of all images of this pool, whoever built them. */
export async function imageNames(engine: Engine, instance: string): Promise<string[]> {
  const prefix = `pool-${instance}/`;
  const listed = engine.docker.listImages({ filters: { reference: [`${prefix}*`] } });
  const images = await askEngine('looking for images', listed);
  return images
    .flatMap(({ RepoTags }) => RepoTags ?? [])
    .filter((tag) => tag.startsWith(prefix))
    .map((tag) => tag.slice(prefix.length));
}

/** Takes a commit's name from its image, and removes the image where no other commit has it. */
export async function removeImage(engine: Engine, shelf: Shelf, commit: string): Promise<void> {
  const name = imageName(shelf, commit);
  // Of a rebuild that was killed.
  await removeName(engine, imageName(shelf, rebuildTag(commit)));
  try {
    const looked = engine.docker.getImage(name).inspect();
    const { RepoTags: names } = await askEngine('looking at the image', looked);
    const others = names.filter((one) => one !== name);
    const shared = others.some((one) => !one.startsWith(imageName(shelf, recipeTag(''))));
    for (const gone of shared ? [name] : names) {
      await askEngine('removing the image', engine.docker.getImage(gone).remove({ force: true }));
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
