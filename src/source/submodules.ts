import { PreviewError } from '../errors.ts';
import { toCommitId } from '../mirror/commit-id.ts';
import { runGit } from '../mirror/git-process.ts';
import { readTopFile } from '../mirror/object-reader.ts';
import type { Repository } from '../mirror/remote-access.ts';
import { isBelow, likelyPrefix, resolveRemote, toRemotePlace } from '../mirror/remote-place.ts';
import type { SubmoduleMirrors } from '../mirror/submodule-mirrors.ts';
import { plainLine } from '../plain-text.ts';
import { ENTRY_LIMIT, readTree } from './context-entries.ts';
import type { Tree, TreeEntry } from './objects.ts';

/** What of a commit lies outside of its repository, and may be fetched: its operator's word. */
export interface Beyond {
  repository: Repository;
  /** Prefixes of URLs. */
  submodules: readonly string[];
  lfs: boolean;
  mirrors: Pick<SubmoduleMirrors, 'open'>;
  /** When the work began that wants it, in ms of the epoch: what was fetched since is not fetched again. */
  since: number;
}

/** A submodule that stays an empty folder. */
export interface EmptyFolder {
  path: string;
  /** Its remote, where `.gitmodules` names one that pool could fetch. */
  url: string | undefined;
}

/** Far more than a person keeps together, in one commit and one below another. */
const SUBMODULE_LIMIT = 100;
const DEPTH_LIMIT = 8;
/** `.gitmodules` is text that people wrote. */
const FILE_LIMIT = 256 * 1024;
const MODULES = ['config', '--file', '-', '--no-includes', '--null', '--list'];
const SHOWN = 5;
const PATH_SHOWN = 100;

/** Puts the trees of a commit's submodules where they hang: those that its operator allows. */
export class SubmoduleFiller {
  /** Those that stay empty. */
  readonly empty: EmptyFolder[] = [];
  readonly #beyond: Beyond;
  readonly #signal: AbortSignal;
  readonly #modules = new Map<Tree, Promise<ReadonlyMap<string, string>>>();
  #filled = 0;

  constructor(beyond: Beyond, signal: AbortSignal) {
    this.#beyond = beyond;
    this.#signal = signal;
  }

  /** Entries of `top` with the wanted submodules filled, or folders that are empty. */
  async fill(
    entries: readonly TreeEntry[],
    top: Tree,
    wanted: (path: string) => boolean | Promise<boolean>,
  ): Promise<readonly TreeEntry[]> {
    if (!entries.some(({ mode }) => mode === '160000')) return entries;
    const filled: TreeEntry[] = [];
    for (const entry of entries) {
      if (entry.mode !== '160000' || !(await wanted(entry.path))) {
        filled.push(entry);
        continue;
      }
      filled.push({ ...entry, mode: '040000' });
      for (const inner of await this.#below(entry, entry.tree ?? top, wanted)) filled.push(inner);
      if (filled.length > ENTRY_LIMIT) throw tooMuch(`more than ${ENTRY_LIMIT} entries`);
    }
    return filled;
  }

  async #below(
    { path, object }: TreeEntry,
    parent: Tree,
    wanted: (path: string) => boolean | Promise<boolean>,
  ): Promise<readonly TreeEntry[]> {
    const { submodules, mirrors, since } = this.#beyond;
    const url = await this.#remoteOf(path.slice(parent.at.length), parent);
    const commit = toCommitId(object);
    if (url === undefined || commit === undefined || !submodules.some((one) => isBelow(url, one))) {
      this.empty.push({ path, url });
      return [];
    }
    const depth = parent.depth + 1;
    if (depth > DEPTH_LIMIT) throw tooMuch(`submodules more than ${DEPTH_LIMIT} deep`);
    if (++this.#filled > SUBMODULE_LIMIT) throw tooMuch(`more than ${SUBMODULE_LIMIT} submodules`);
    const repository = remoteLike(parent.repository, url);
    const gitDir = mirrors.open(repository, commit, since);
    const tree = { gitDir, commit, repository, at: `${path}/`, depth };
    const inner = (await readTree(tree, this.#signal)).map((one) => ({
      ...one,
      path: tree.at + one.path,
      tree,
    }));
    return await this.fill(inner, tree, wanted);
  }

  async #remoteOf(path: string, tree: Tree): Promise<string | undefined> {
    const reading = this.#modules.get(tree) ?? readModules(tree, this.#signal);
    this.#modules.set(tree, reading);
    const written = (await reading).get(path);
    const url = written && resolveRemote(written, tree.repository.url);
    return url !== undefined && toRemotePlace(url) !== undefined ? url : undefined;
  }
}

/** A submodule gets what its parent's operator gave for the same server, and nothing for another. */
function remoteLike(parent: Repository, url: string): Repository {
  const same = toRemotePlace(parent.url)?.server === toRemotePlace(url)?.server;
  return same ? { ...parent, url } : { name: parent.name, url };
}

/** Path to URL, as git itself reads a commit's `.gitmodules`: nothing that it includes is read. */
async function readModules(
  { gitDir, commit }: Tree,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const file = await readTopFile(gitDir, commit, '.gitmodules', FILE_LIMIT, signal);
  if (file === undefined) return new Map();
  if (file.size > FILE_LIMIT) throw tooMuch(`a .gitmodules over ${FILE_LIMIT / 1024} KiB`);
  using git = runGit(gitDir, MODULES, signal);
  git.stdin.on('error', () => {});
  git.stdin.end(file.text);
  const output = Buffer.concat(await git.stdout.toArray()).toString('utf8');
  // A file that git cannot read names no submodule, as in a clone.
  const read = git.ended.then(() => parseModules(output));
  return await read.catch(() => new Map<string, string>());
}

function parseModules(list: string): ReadonlyMap<string, string> {
  const modules = new Map<string, { path?: string; url?: string }>();
  for (const record of list.split('\0')) {
    const [, name, key, value] = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(record) ?? [];
    if (name !== undefined && key !== undefined) {
      modules.set(name, { ...modules.get(name), [key]: value });
    }
  }
  const whole = [...modules.values()].flatMap(({ path, url }) =>
    path === undefined || url === undefined ? [] : [[path, url] as const],
  );
  return new Map(whole);
}

/** What is said of submodules that stay empty, with the line that would fill them. */
export function emptyWords(empty: readonly EmptyFolder[]): string[] {
  if (empty.length === 0) return [];
  const urls = empty.flatMap(({ url }) => url ?? []);
  const one = empty.length === 1;
  const are = one ? 'submodule is an empty folder' : 'submodules are empty folders';
  const fills =
    urls.length === 0
      ? `.gitmodules names no remote for ${one ? 'it' : 'them'} that pool could fetch`
      : `${lineFor(urls)} in pool's configuration of this repository, a restart and a rebuild fill ${one ? 'it' : urls.length < empty.length ? 'those that .gitmodules names a remote for' : 'them'}`;
  return [`${empty.length} ${are}: ${shown(empty.map(({ path }) => path))}; ${fills}.`];
}

/** Where the Dockerfile or the context lies in a submodule that pool may not fetch. */
export function submoduleRefused({ path, url }: EmptyFolder): PreviewError {
  const name = plainLine(path).slice(0, PATH_SHOWN);
  return new PreviewError(
    'submodules',
    `What is to be built lies in ${name}, a submodule that pool does not fetch.`,
    url === undefined
      ? `.gitmodules names no remote for it that pool could fetch: mend that in a new commit.`
      : `Whoever runs pool allows it by ${lineFor([url])} in the configuration of this repository, and a restart.`,
  );
}

function lineFor(urls: readonly string[]): string {
  const prefixes = [...new Set(urls.map(likelyPrefix))].slice(0, SHOWN);
  return `"submodules: [${prefixes.map((prefix) => `'${prefix}'`).join(', ')}]"`;
}

/** Some of many paths. */
export function shown(paths: readonly string[]): string {
  const more = paths.length - SHOWN;
  const named = paths
    .slice(0, SHOWN)
    .map((path) => plainLine(path).slice(0, PATH_SHOWN).toWellFormed());
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

function tooMuch(what: string): PreviewError {
  return new PreviewError(
    'context-refused',
    `This commit is not built, for it has ${what}.`,
    'Leave submodules that the application does not need out by a line in .dockerignore.',
  );
}
