import type { Address } from '../address/host.ts';
import { commitLabel, formatLabel, type RepositoryName } from '../address/label.ts';
import { PreviewError, toFailure } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type CommitId, toCommitId } from '../mirror/commit-id.ts';
import type { History } from '../mirror/history.ts';
import { type Freshness, lookUp } from '../mirror/look-up.ts';
import { type Mirror, troubleWith } from '../mirror/mirror.ts';
import type { Found, Ref } from '../mirror/ref-table.ts';
import { merge } from './merge.ts';
import type { Choice, Control, PreviewView, Visit } from './control.ts';
import type { Wanted } from './make-preview.ts';
import { type Preview, type PreviewId, previewId } from './preview.ts';
import type { Previews } from './previews.ts';

/** An engine that does not say within this whether it has an image is busy: show the page. */
const LOOK_LIMIT_MS = 400;

/** While a remote hangs, what its refs mean is asked so often, and not with every request. */
const ASK_AGAIN_MS = 1000;

type Mirrors = ReadonlyMap<RepositoryName, Mirror>;

/** A mirror under one of its names: several may share it, and which one is meant is never read off it. */
export interface Named {
  name: RepositoryName;
  mirror: Mirror;
}

/** Answers the front's questions out of the mirrors and the previews. */
export function controlPlane(
  mirrors: Mirrors,
  previews: Previews,
  history: History,
  variables: (wanted: Wanted) => Promise<PreviewView['variables']>,
  freshness: Freshness,
  logger: Logger,
  closing: AbortSignal,
): Control {
  const label = labeller(mirrors);
  return {
    async visit(address, start) {
      const candidates = candidatesFor(address, mirrors);
      if (candidates.length === 0) return unknownRepository(address, mirrors);
      const found = await Promise.all(
        candidates.map(async ({ name, mirror }) => {
          // Those who only look, crawlers among them, make pool fetch nothing.
          const ref = start
            ? await lookUp(mirror, address.ref, freshness, closing)
            : mirror.table.find(address.ref);
          const known = ref.kind === 'unknown' ? running(name, address.ref) : undefined;
          return { name, mirror, found: known ?? ref, until: surelyUntil(mirror, freshness) };
        }),
      );
      return await toVisit(found, address, start);
    },

    async settled(id, signal) {
      return await required(previews, id).settled(signal);
    },

    async *follow(id, from, signal) {
      const preview = required(previews, id);
      const states = preview.states(signal);
      const pieces = preview.log.follow(from, signal);
      for await (const next of merge(states, pieces)) {
        yield 'phase' in next ? { kind: 'state', state: next } : { kind: 'log', ...next };
      }
    },

    async log(id) {
      return await required(previews, id).log.read();
    },

    async retry(id) {
      await Promise.resolve();
      required(previews, id).retry();
    },

    async rebuild(id, how) {
      await Promise.resolve();
      const preview = required(previews, id);
      const { repository, commit } = preview.wanted;
      // What runs goes on, but only what a ref reaches is built.
      const reached = mirrors.get(repository)?.table.find(commit).kind === 'commit';
      return reached && preview.rebuild(how);
    },
  };

  /** A commit that no ref reaches any more is not started, but goes on where it runs. */
  function running(repository: RepositoryName, ref: string): Found | undefined {
    const commit = toCommitId(ref);
    if (commit === undefined) return undefined;
    const { phase } = previews.get(previewId({ repository, commit }))?.state ?? {};
    return phase === 'ready'
      ? { kind: 'commit', commit, rule: 'full id', fixed: false }
      : undefined;
  }

  async function toVisit(
    all: readonly (Named & { found: Found; until: number })[],
    address: Address,
    start: boolean,
  ): Promise<Visit> {
    const hits = all.filter(({ found }) => found.kind !== 'unknown');
    const [hit, ...others] = hits;
    if (hit === undefined) return unknownRef(all, freshness);
    if (others.length > 0)
      return { kind: 'ambiguous', choices: hits.flatMap((one) => choicesOf(one, address)) };
    if (hit.found.kind !== 'commit') return { kind: 'ambiguous', choices: choicesOf(hit, address) };

    const { name, mirror, found, until } = hit;
    const preview = previews.of({ repository: name, commit: found.commit });
    try {
      // Begun before it is described: nobody waits for git twice.
      if (start) preview.visit();
      const view = await describe(mirror, preview);
      // A moment decides whether there is an image: then the visitor may wait for the application.
      await preview.begun(AbortSignal.timeout(LOOK_LIMIT_MS));
      return {
        kind: 'preview',
        view: { ...view, state: preview.state },
        rule: found.rule,
        ...(found.fixed ? {} : { until }),
        mirroredAt: mirror.fetchedAt,
      };
    } catch (error) {
      logger('refused', preview.wanted, { error });
      return { kind: 'refused', failure: toFailure(error) };
    }
  }

  async function describe(mirror: Mirror, preview: Preview): Promise<PreviewView> {
    const { repository, commit } = preview.wanted;
    const summary = await history.commit(mirror, commit);
    return {
      id: preview.id,
      repository,
      commit,
      author: summary.author,
      date: summary.date,
      subject: summary.subject,
      parents: summary.parents.map((parent) => label(repository, parent)),
      refs: mirror.table.at(commit).map(({ kind, name }) => `${kind} ${name}`),
      label: label(repository, commit),
      variables: await variables(preview.wanted),
      state: preview.state,
      happened: previews.happened(preview.id),
    };
  }

  /** One of several repositories is named with what was asked for: there it means one commit. */
  function choicesOf({ name, found }: Named & { found: Found }, { ref, port }: Address): Choice[] {
    if (found.kind === 'unknown') return [];
    if (found.kind === 'commit') {
      const { rule, commit } = found;
      const what = /^(full|abbreviated) id$/.test(rule) ? `commit ${commit.slice(0, 12)}` : rule;
      return [
        { name: what + of(name), label: formatLabel(ref, name, port) ?? label(name, commit) },
      ];
    }
    return found.choices.map((choice) => ({
      name: choice.name + of(name),
      label: label(name, choice.commit),
    }));
  }

  function of(name: RepositoryName): string {
    return mirrors.size > 1 ? ` of ${name}` : '';
  }

  function unknownRef(all: readonly (Named & { found: Found })[], { refreshMs }: Freshness): Visit {
    const near = all.flatMap(({ name, found }) => {
      const refs: Ref[] = found.kind === 'unknown' ? found.near : [];
      return refs.map((ref) => ({
        name: `${ref.kind} ${ref.name}${of(name)}`,
        label: refLabel(name, ref),
      }));
    });
    const nextFetch = Math.min(...all.map(({ mirror }) => mirror.triedAt)) + refreshMs - Date.now();
    const empty = all.every(({ mirror }) => mirror.table.commits.size === 0);
    const troubles = all.map(({ name, mirror }) => troubleWith(name, mirror));
    const told = troubles.filter((trouble) => trouble !== undefined);
    // What is in a repository is known of one that was read.
    if (all.every(({ mirror }) => !mirror.copied)) {
      return { kind: 'refused', failure: toFailure(notCopied(told.join(' '))) };
    }
    const known = empty
      ? 'The repository has no commit yet.'
      : 'No branch, tag or commit of that name is known.';
    return {
      kind: 'unknown',
      near,
      reason: [known, ...told].join(' '),
      retryAfterMs: Math.max(1000, nextFetch),
    };
  }

  function refLabel(name: RepositoryName, ref: Ref): string {
    const repository = mirrors.size > 1 ? name : undefined;
    return formatLabel(ref.slug, repository) ?? label(name, ref.commit);
  }
}

/** Until when, in ms of the epoch, a ref's meaning need not be asked again. */
function surelyUntil({ triedAt }: Mirror, { refreshMs }: Freshness): number {
  return Math.max(triedAt + refreshMs, Date.now() + Math.min(refreshMs, ASK_AGAIN_MS));
}

/** Labels of pool's own links: the repository is named where there are several. */
export function labeller(mirrors: Mirrors): (repository: string, commit: CommitId) => string {
  return (repository, commit) => commitLabel(commit, mirrors.size > 1 ? repository : undefined);
}

function notCopied(words: string): PreviewError {
  return new PreviewError(
    'repository-unreadable',
    words,
    'Pool asks again by itself, and this page goes on once there is a copy; "pool doctor", run by whoever runs pool, tells more.',
  );
}

function candidatesFor({ repository }: Address, mirrors: Mirrors): Named[] {
  const all = mirrors.entries().map(([name, mirror]) => ({ name, mirror }));
  return all.filter(({ name }) => repository === undefined || name === repository).toArray();
}

function unknownRepository({ repository, ref }: Address, mirrors: Mirrors): Visit {
  const names = [...mirrors.keys()];
  return {
    kind: 'unknown',
    near: names.map((name) => ({ name: `repository ${name}`, label: `${ref}---${name}` })),
    reason: `No repository named ${repository} is served here.`,
    retryAfterMs: undefined,
  };
}

function required(previews: Previews, id: PreviewId): Preview {
  const preview = previews.get(id);
  if (preview === undefined) throw new Error(`there is no preview ${id}`);
  return preview;
}
