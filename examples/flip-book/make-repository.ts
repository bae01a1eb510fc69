import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What `makeRepository` made, by full commit ids. `pages` are the commits of `main`, first to last. */
export interface FlipBook {
  folder: string;
  branch: 'main';
  newest: string;
  failing: string;
  tag: { name: string; commit: string };
  branches: { name: string; commit: string }[];
  pages: { commit: string; subject: string }[];
}

interface Page {
  number: number;
  /** The folder in `pages/` whose files this commit lays over those of the commits before it. */
  layers: string;
  subject: string;
  author: 'Ada' | 'Bo' | 'Cleo';
}

const story: Page[] = [
  { number: 1, layers: '01-blank-page', subject: 'Start with a blank page', author: 'Ada' },
  { number: 2, layers: '02-hill', subject: 'Raise a hill', author: 'Ada' },
  { number: 3, layers: '03-sun', subject: 'Let the sun come out', author: 'Bo' },
  { number: 4, layers: '04-tree', subject: 'Plant a tree', author: 'Ada' },
  { number: 5, layers: '05-house', subject: 'Build a house', author: 'Cleo' }, // its build fails
  { number: 6, layers: '06-smoke', subject: 'Let the chimney smoke', author: 'Cleo' }, // mends it
  { number: 7, layers: '07-notes', subject: 'Write down the colours', author: 'Bo' }, // same picture
  { number: 8, layers: '08-flowers', subject: 'Sow flowers along a path', author: 'Ada' },
  { number: 9, layers: '09-evening', subject: 'Let evening fall', author: 'Bo' },
  { number: 10, layers: '10-night', subject: 'Light the lamps', author: 'Cleo' },
  { number: 11, layers: '11-wind', subject: 'Wake the wind', author: 'Ada' },
];
const snow: Page = { number: 12, layers: 'feature-snow', subject: 'Let it snow', author: 'Bo' };

/**
 * Makes the flip-book's Git repository in `folder`, which must be empty or absent.
 * The commit ids are the same on each machine: authors and dates are fixed, the user's settings left out.
 */
export async function makeRepository(folder: string): Promise<FlipBook> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`Expected ${folder} to be empty`);

  await git(folder, ['init', '--quiet', '--template=', '--object-format=sha1', '-b', 'main']);
  await cp(join(import.meta.dirname, 'application'), folder, { recursive: true });
  const commits: string[] = [];
  for (const page of story) commits.push(await commitPage(folder, page));

  await git(folder, [
    'tag',
    '--annotate',
    '--message=The picture by day',
    'v1.0',
    commits[7] ?? '',
  ]);
  await git(folder, ['switch', '--quiet', '--create', 'feature/snow']);
  await commitPage(folder, snow);
  await git(folder, ['switch', '--quiet', 'main']);
  return await readRepository(folder);
}

/** What is in a flip-book that was made before, and may have got more pages since. */
export async function readRepository(folder: string): Promise<FlipBook> {
  const commitAt = async (name: string) =>
    (await git(folder, ['rev-parse', `${name}^{commit}`])).trim();
  const log = await git(folder, ['log', '--reverse', '--format=%H %s', 'main']);
  const pages = log
    .trim()
    .split('\n')
    .map((line) => ({ commit: line.slice(0, 40), subject: line.slice(41) }));
  return {
    folder,
    branch: 'main',
    newest: await commitAt('main'),
    failing: pages.find(({ subject }) => subject === 'Build a house')?.commit ?? '',
    tag: { name: 'v1.0', commit: await commitAt('v1.0') },
    branches: [{ name: 'feature/snow', commit: await commitAt('feature/snow') }],
    pages,
  };
}

async function commitPage(folder: string, page: Page): Promise<string> {
  const layers = join(import.meta.dirname, 'pages', page.layers);
  await cp(layers, folder, { recursive: true });
  if ((await readdir(layers)).includes('scene')) {
    await writeFile(join(folder, 'scene/title.txt'), `${page.number} ${page.subject}\n`);
  }
  await git(folder, ['add', '--all', '--force'], page);
  await git(folder, ['commit', '--quiet', `--message=${page.subject}`], page);
  return (await git(folder, ['rev-parse', 'HEAD'])).trim();
}

/** Runs git as the author of `page` (or of the last), with no settings, hooks or variables of the user's. */
async function git(folder: string, args: string[], page: Page = snow): Promise<string> {
  const email = `${page.author.toLowerCase()}@flip-book.example`;
  const date = new Date(Date.UTC(2026, 10, 2, 9, 47 * page.number)).toISOString();
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'));
  const { stdout } = await promisify(execFile)('git', [...settings, ...args], {
    cwd: folder,
    env: {
      ...Object.fromEntries(own),
      GIT_CONFIG_GLOBAL: devNull,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: page.author,
      GIT_AUTHOR_EMAIL: email,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: page.author,
      GIT_COMMITTER_EMAIL: email,
      GIT_COMMITTER_DATE: date,
    },
  });
  return stdout;
}

/** What would change the ids: line endings, the executable bit, and files that git reads on its own. */
const settings = [
  'commit.gpgSign=false',
  'tag.gpgSign=false',
  'core.autocrlf=false',
  'core.fileMode=false',
  `core.attributesFile=${devNull}`,
].flatMap((setting) => ['-c', setting]);
