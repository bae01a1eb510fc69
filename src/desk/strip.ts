import { commitLabel, formatLabel } from '../address/label.ts';
import type { CommitSummary } from '../mirror/history.ts';
import type { Ref } from '../mirror/ref-table.ts';
import { html, type Html } from '../page/html.ts';
import { layout, type Page, readScript } from '../page/layout.ts';
import { age, phaseWords } from '../page/words.ts';
import type { PreviewState } from '../preview/state.ts';

/** One commit on the strip. */
export interface Frame {
  commit: CommitSummary;
  /** The label of its preview's link. */
  label: string;
  refs: Ref[];
  state: PreviewState;
}

/** What the strip shows. */
export interface StripParts {
  site: string;
  repository: string;
  repositories: readonly { name: string; copied: boolean }[];
  /** The branch one looks at; `undefined` in an empty repository. */
  branch: Ref | undefined;
  refs: readonly Ref[];
  frames: readonly Frame[];
  /** Whether there is a copy of the repository to show. */
  copied: boolean;
  /** Whether the last fetch failed. */
  failed: boolean;
  /** Why there is none yet, or why what is shown may be old. */
  trouble: string | undefined;
}

/** Names beyond this are reached by typing them. */
const REF_LIMIT = 60;

const FOLLOW = readScript(new URL('strip.client.js', import.meta.url));

/** The page at the bare domain: the last commits of a branch, each a link to its preview. */
export function stripPage(parts: StripParts, now: number): Page {
  const { site, repository, repositories, branch, refs } = parts;
  const branches = refs.filter((ref) => ref.kind === 'branch');
  const tags = refs.filter((ref) => ref.kind === 'tag');
  return layout({
    title: `${repository} · pool`,
    site,
    script: FOLLOW,
    refreshS: 10,
    body: html`<main data-events="/events?${query(repository, branch?.name)}">
      <h1>${repository}${branch && html`, branch ${branch.name}`}</h1>
      ${
        repositories.length > 1 &&
        html`<nav class="names" aria-label="Repositories">
          <h2>Repositories</h2>
          <ul class="refs">
            ${repositories.map(({ name, copied }) => html`<li><a class="ref" href="/?${query(name)}" ${current(name === repository)}>${name}${!copied && ', not there yet'}</a></li>`)}
          </ul>
        </nav>`
      }
      <p class="soft">
        Each commit is a link to the application as it was then. The first visit builds it.
        ${branch && html`<a href="${previewLink(branch, parts)}">Open ${branch.name}, wherever it moves</a>`}
      </p>
      ${
        branches.length > 1 &&
        html`<nav class="names" aria-label="Branches">
          <h2>Branches</h2>
          ${pills(branches, (ref) => `/?${query(repository, ref.name)}`, branch)}
        </nav>`
      }
      ${
        tags.length > 0 &&
        html`<nav class="names" aria-label="Tags">
          <h2>Tags</h2>
          ${pills(tags, (ref) => previewLink(ref, parts))}
        </nav>`
      }
      <div id="strip" aria-live="polite">${stripList(parts, now)}</div>
    </main>`,
  });
}

/** The part of the page that changes: sent again whenever it does. */
export function stripList(parts: StripParts, now: number): Html {
  const { site, frames, copied, failed, trouble } = parts;
  const next = copied
    ? 'What is shown is from the last fetch that worked.'
    : 'Its commits appear here once there is a copy.';
  const alarm = failed && html` class="reason" role="alert"`;
  const warning = trouble !== undefined && html`<p${alarm}>${trouble} ${next}</p>`;
  if (frames.length === 0) {
    const none = html`<p>There is no commit here yet. Once there is one, it appears by itself.</p>`;
    return html`${warning} ${copied && none}`;
  }
  return html`${warning}
    <ol class="strip">
      ${frames.map((frame) => frameItem(frame, site, now))}
    </ol>`;
}

function frameItem({ commit, label, refs, state }: Frame, site: string, now: number): Html {
  const names = refs.map((ref) => html` <span class="ref">${ref.name}</span>`);
  return html`<li data-commit="${commit.id}">
    <span class="dot ${state.phase}"></span>
    <a class="subject" href="//${label}.${site}/">${commit.subject || '(no subject)'}</a>
    <span class="id">${commit.id.slice(0, 7)}</span>
    <span class="meta"
      >${phaseWords(state)} · ${commit.author},
      <time datetime="${new Date(commit.date).toISOString()}">${age(commit.date, now)}</time
      >${names}</span
    >
  </li> `;
}

function pills(refs: readonly Ref[], link: (ref: Ref) => string, chosen?: Ref): Html {
  const more = refs.length - REF_LIMIT;
  return html`<ul class="refs">
    ${refs.slice(0, REF_LIMIT).map(
      (ref) =>
        html`<li>
          <a class="ref" href="${link(ref)}" ${current(ref.name === chosen?.name)}>${ref.name}</a>
        </li>`,
    )}${more > 0 && html`<li class="soft">and ${more} more</li>`}
  </ul>`;
}

function previewLink(ref: Ref, { site, repository, repositories }: StripParts): string {
  const name = repositories.length > 1 ? repository : undefined;
  return `//${formatLabel(ref.slug, name) ?? commitLabel(ref.commit, name)}.${site}/`;
}

function current(yes: boolean): Html | false {
  return yes && html` aria-current="page"`;
}

function query(repository: string, branch?: string): string {
  const named = branch === undefined ? {} : { branch };
  return new URLSearchParams({ repository, ...named }).toString();
}
