import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TRACKED = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '');
const COMMITTED = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).split('\n');

interface Import {
  /** A path from the repository's top, or the name of a package. */
  to: string;
  /** Vanishes when types are stripped. */
  type: boolean;
}

interface Module {
  path: string;
  /** The folder below src, or the file itself. */
  stage: string;
  text: string;
  imports: Import[];
}

const IMPORT =
  /^(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/gm;

const MODULES: readonly Module[] = TRACKED.filter((path) => /^src\/.*\.ts$/.test(path))
  .filter((path) => COMMITTED.includes(path) || exists(path))
  .map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    const imports = [...text.matchAll(IMPORT)].map(([, type, names = '', from, dynamic]) => {
      const to = from ?? dynamic ?? '';
      const onlyTypes = names.startsWith('{') && names.slice(1, -1).split(',').every(isType);
      return {
        to: to.startsWith('.') ? join(dirname(path), to) : to,
        type: type !== undefined || onlyTypes,
      };
    });
    return { path, stage: path.split('/')[1] ?? '', text, imports };
  });

function exists(path: string): boolean {
  try {
    readFileSync(join(ROOT, path));
    return true;
  } catch {
    return false;
  }
}

function isType(name: string): boolean {
  return name.trim() === '' || name.trim().startsWith('type ');
}

const inStage = (...stages: string[]) => MODULES.filter(({ stage }) => stages.includes(stage));
const isIn =
  (...stages: string[]) =>
  ({ to }: Import) =>
    stages.some((stage) => to.startsWith(`src/${stage}/`) || to === `src/${stage}`);

/** One line for each import of `modules` that `forbidden` holds of. */
function breaches(modules: readonly Module[], forbidden: (found: Import) => boolean): string[] {
  return modules.flatMap(({ path, imports }) =>
    imports.filter(forbidden).map(({ to }) => `${path} imports ${to}`),
  );
}

/** Everything that comes into the process with a module, by value imports alone. */
function loadedBy(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  const module = MODULES.find((one) => one.path === path);
  for (const { to, type } of module?.imports ?? []) if (!type) loadedBy(to, seen);
  return seen;
}

it('the test reads imports at all', () => {
  expect(MODULES.length).toBeGreaterThan(40);
  expect(loadedBy('src/main.ts').has('src/engine/connect.ts')).toBe(true);
  expect(loadedBy('src/main.ts').has('dockerode')).toBe(true);
});

const isPure = ({ to }: Import) =>
  isIn('address', 'brand.ts')({ to, type: false }) || to === 'node:crypto';

describe('imports run one way', () => {
  it('a stage knows nothing of what joins the stages, shows them or configures them', () => {
    const found = breaches(
      inStage('address', 'mirror', 'source', 'build', 'run', 'engine'),
      isIn('preview', 'front', 'desk', 'cli', 'config', 'residency', 'main.ts'),
    );
    expect(
      found,
      'A stage that knows what comes after it cannot be read, tested or replaced alone.',
    ).toEqual([]);
  });

  it('reading an address is pure', () => {
    const found = breaches(inStage('address'), (one) => !isPure(one));
    expect(
      found,
      'What a visitor sends is parsed before anything else may see it; a parser that reaches out could be made to.',
    ).toEqual([]);
  });

  it('a mirror knows nothing of what its commits hold', () => {
    const found = breaches(inStage('mirror'), isIn('source'));
    expect(found, 'Copying a repository must not depend on what somebody put into it.').toEqual([]);
  });

  it('only a mirror speaks with a remote', () => {
    const found = MODULES.filter(
      ({ stage, text }) => stage !== 'mirror' && /\bremoteEnvironment\b/.test(text),
    ).map(({ path }) => path);
    expect(
      found,
      'Which transport, which key and which token a remote gets is decided in one room.',
    ).toEqual([]);
  });

  it('mirror and source know neither engine nor build nor run, and those know no git', () => {
    const found = [
      ...breaches(inStage('mirror', 'source'), isIn('engine', 'build', 'run')),
      ...breaches(inStage('engine', 'build', 'run'), isIn('mirror', 'source')),
    ];
    expect(
      found,
      'The stages meet in preview/ and main.ts only, each in words of its own.',
    ).toEqual([]);
  });

  it('the front knows neither git nor engine', () => {
    const outside = new Set(['dockerode', 'simple-git', 'tar-stream', 'node:child_process']);
    const found = breaches(
      inStage('front', 'page'),
      (one) =>
        isIn('mirror', 'source', 'engine', 'build', 'run', 'desk', 'cli', 'config')(one) ||
        outside.has(one.to),
    );
    expect(
      found,
      'Invariant 1: whoever breaks the front gets its TLS keys and nothing else.',
    ).toEqual([]);
  });

  it('the front brings neither git nor engine into its process, however indirectly', () => {
    const loaded = inStage('front').flatMap(({ path }) =>
      [...loadedBy(path)]
        .filter((to) =>
          /^src\/(mirror|source|engine|build|run|desk|config|cli)\/|^(dockerode|simple-git|tar-stream|protobufjs|node:child_process)$/.test(
            to,
          ),
        )
        .map((to) => `${path} loads ${to}`),
    );
    expect(
      loaded,
      'The front runs as a process of its own on a shared box: there it must work without either.',
    ).toEqual([]);
  });

  it('a page is made of words alone', () => {
    const found = breaches(inStage('page'), ({ to, type }) => !type && /^src\/(?!page\/)/.test(to));
    expect(
      found,
      'Pages are shown by the front and by the desk: what they load, both load.',
    ).toEqual([]);
  });

  it('only main.ts and the commands bind the stages together', () => {
    const found = breaches(
      MODULES.filter(({ stage }) => stage !== 'main.ts' && stage !== 'cli'),
      isIn('main.ts', 'cli'),
    );
    expect(found, 'Wiring is read in one place, top to bottom.').toEqual([]);
  });
});

it('only those who must read the environment', () => {
  const allowed = [
    'src/config/',
    'src/cli/',
    'src/main.ts',
    'src/engine/connect.ts',
    // What of it the git processes get.
    'src/mirror/git-environment.ts',
  ];
  const found = MODULES.filter(({ text }) => /\bprocess\.env\b/.test(text))
    .map(({ path }) => path)
    .filter((path) => !allowed.some((prefix) => path.startsWith(prefix)));
  expect(
    found,
    'A setting that is read where it is used is in no help and no error message.',
  ).toEqual([]);
});

describe('the tree is tidy', () => {
  it('no folder is named after nothing', () => {
    const found = TRACKED.filter((path) =>
      /(^|\/)(utils?|helpers?|common|types|shared|libs?|misc|core)\//.test(path),
    ).filter((path) => !path.startsWith('examples/'));
    expect(
      found,
      'Such a folder takes everything in; name it after what its files are about.',
    ).toEqual([]);
  });

  it('no file only hands on what others export', () => {
    const barrels = TRACKED.filter(
      (path) => /(^|\/)index\.[cm]?[jt]s$/.test(path) && !path.startsWith('examples/'),
    );
    const handedOn = MODULES.filter(({ text }) => /^export\s+(\*|\{[^}]*\})\s+from\b/m.test(text));
    expect(
      [...barrels, ...handedOn.map(({ path }) => path)],
      'Barrels hide who depends on whom, and load all for one.',
    ).toEqual([]);
  });

  it('Node runs the sources as they are', () => {
    const found = MODULES.flatMap(({ path, text }) => {
      const code = text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
      return [
        /^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s/m.test(code) ? `${path} has an enum` : '',
        /^\s*@[a-z]+[^\n]*\n\s*(export\s+)?(abstract\s+)?(class|readonly|private|async|get|set)\b/im.test(
          code,
        )
          ? `${path} has a decorator`
          : '',
        /^export\s+default\b/m.test(code) ? `${path} has a default export` : '',
        /^\s*(export\s+)?namespace\s/m.test(code) ? `${path} has a namespace` : '',
      ].filter((one) => one !== '');
    });
    expect(
      found,
      'Types are stripped, not compiled; and one name per thing, the same everywhere.',
    ).toEqual([]);
  });

  it('the top of the repository is read at a glance', () => {
    const top = new Set(COMMITTED.filter((path) => path !== '').map((path) => path.split('/')[0]));
    expect(
      top.size,
      `More than fifteen entries are looked at by nobody: ${[...top].join(', ')}.`,
    ).toBeLessThanOrEqual(15);
  });

  it('files are named after what they export, in kebab-case', () => {
    const found = TRACKED.filter((path) => /^(src|test|bench)\/.*\.(ts|js|css)$/.test(path)).filter(
      (path) =>
        !/^[a-z0-9-]+(\.(test|client|config))?\.(ts|js|css)$/.test(path.split('/').at(-1) ?? ''),
    );
    expect(found, 'One spelling of names is one thing less to remember.').toEqual([]);
  });
});
