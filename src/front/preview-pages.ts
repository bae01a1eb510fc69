import { html, type Html } from '../page/html.ts';
import { layout, type Page, readScript } from '../page/layout.ts';
import { age, duration, happenedWords, pageKind, phaseWords, sentence } from '../page/words.ts';
import type { Failure } from '../errors.ts';
import type { PreviewView } from '../preview/control.ts';
import type { PreviewState } from '../preview/state.ts';

/** What a page about a preview is made from. */
export interface PreviewPageParts {
  view: PreviewView;
  /** How the address was resolved: "full id", "branch main". */
  rule: string;
  mirroredAt: number;
  /** Host of pool's own page. */
  site: string;
  /** The whole log. */
  log: string;
}

/** Of a long log the end is shown: with the rest of the page it stays below 30 KB. */
const TAIL_BYTES = 12_000;
/** The reason stands at the end: a page without a script cannot scroll there. */
const FAILURE_LINES = 40;
/** More names than this say nothing more. */
const REF_LIMIT = 20;
/** Where no script runs the page asks again so often. */
const REFRESH_S = 2;

const FOLLOW = readScript(new URL('waiting.client.js', import.meta.url));

/** Shown while a preview is on its way; turns into the application by itself. */
export function waitingPage({ view, site, log }: PreviewPageParts): Page {
  return layout({
    title: `${view.subject || short(view)} · getting ready`,
    site,
    script: FOLLOW,
    refreshS: REFRESH_S,
    body: html`<main data-next="${log.length}" data-over="cold ready rebuilding rebuild-failed failed">
      ${heading(view)} ${status(view)} ${logBox(log)}
      <noscript><p class="soft">This page loads anew every ${REFRESH_S} seconds.</p></noscript>
      <p class="soft">
        The page turns into the application by itself. <a href="/_pool/">More about this preview</a>
      </p>
    </main>`,
  });
}

/** Shown where a commit could not be made visitable. Never an older build. */
export function failurePage({ view, site, log }: PreviewPageParts): Page {
  const failure = view.state.phase === 'failed' ? view.state.failure : undefined;
  return layout({
    title: `${view.subject || short(view)} · failed`,
    site,
    body: html`<main>
      ${heading(view)}
      <div class="reason" role="alert">
        <strong>${failure?.message}</strong>
        ${failure?.next}
      </div>
      <div class="actions">
        <form method="post" action="/_pool/retry"><button>Retry</button></form>
        ${view.parents.map((label, index) => html`<a href="//${label}.${site}/">${index === 0 ? 'Parent commit' : 'Other parent'}</a>`)}
        <a href="/_pool/">More about this preview</a>
      </div>
      <h2>The end of the log</h2>
      ${logBox(log, FAILURE_LINES)}
    </main>`,
  });
}

/** `/_pool/` of a preview's host: everything that is known, in every phase. */
export function previewPage(parts: PreviewPageParts, now: number): Page {
  const { view, rule, mirroredAt, site, log } = parts;
  const facts: [string, Html | string][] = [
    ['Commit', html`<span class="id">${view.commit}</span>`],
    ['Repository', view.repository],
    ['Author', view.author],
    ['Committed', `${utc(view.date)} UTC (${age(view.date, now)})`],
    ['Named by', namesOf(view).join(', ') || 'no branch or tag'],
    ['Address', `resolved as ${rule}`],
    [
      'Mirror',
      mirroredAt === 0 ? 'not fetched since pool started' : `fetched ${age(mirroredAt, now)}`,
    ],
    ...runFacts(view, now),
    ['Variables', variablesOf(view)],
  ];
  const settled = ['ready', 'rebuild-failed', 'failed', 'cold'].includes(pageKind(view.state));
  const failed = failureOf(view.state);
  return layout({
    title: `${view.subject || short(view)} · preview`,
    site,
    script: FOLLOW,
    refreshS: 10,
    body: html`<main data-next="${log.length}" data-over="${otherPhases(view)}">
      ${heading(view)} ${status(view)}
      ${
        view.state.phase === 'ready' &&
        failed &&
        html`<div class="reason" role="alert"><strong>${failed.message}</strong> ${failed.next}</div>`
      }
      <div class="actions">
        <a href="/">Open the application</a>
        ${view.state.phase === 'failed' && html`<form method="post" action="/_pool/retry"><button>Retry</button></form>`}
        ${view.parents.map((label) => html`<a href="//${label}.${site}/_pool/">Parent commit</a>`)}
        <a href="/_pool/log">Log as text</a>
        ${settled && html`<form method="post" action="/_pool/rebuild"><button class="quiet" aria-describedby="rebuild">Rebuild</button></form>`}
      </div>
      ${settled && html`<p class="soft" id="rebuild">Rebuild asks for newer base images and takes no step from the cache; what is ready serves until the new one answers.</p>`}
      <dl>
        ${facts.map(
          ([name, value]) =>
            html`<dt>${name}</dt>
              <dd>${value}</dd>`,
        )}
      </dl>
      ${happenedList(view)}
      <h2>Log</h2>
      ${logBox(log)}
    </main>`,
  });
}

function happenedList({ happened }: PreviewView): Html | undefined {
  if (happened.length === 0) return undefined;
  const entries = happened.map((one) => {
    const at = new Date(one.at).toISOString();
    return html`<dt><time datetime="${at}">${utc(one.at)}</time></dt>
      <dd>${sentence(happenedWords(one))}</dd>`;
  });
  return html`<h2>What happened (UTC)</h2>
    <dl>${entries}</dl>`;
}

/** "2026-01-02 03:04:05". */
function utc(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, '');
}

/** For crawlers and link unfurlers: what the link is about. */
export function cardPage(view: PreviewView, site: string): Page {
  return layout({
    title: `${view.subject || short(view)} · ${view.repository}`,
    site,
    body: html`<main>${heading(view)} ${status(view)}</main>`,
  });
}

function heading(view: PreviewView): Html {
  return html`<h1>${view.subject || short(view)}</h1>
    <p class="soft">
      <span class="id">${short(view)}</span> in ${view.repository}, by ${view.author}
    </p>
    ${
      view.refs.length > 0 &&
      html`<ul class="refs">
        ${namesOf(view).map((ref) => html`<li class="ref">${ref}</li>`)}
      </ul>`
    }`;
}

function status({ state }: PreviewView): Html {
  return html`<p class="status" role="status">
    <span class="dot ${state.phase}"></span><span data-words>${sentence(phaseWords(state))}</span>
  </p>`;
}

/** What a start is given; values are secrets, and never come here. */
function variablesOf({ variables }: PreviewView): string {
  const names = variables.map(({ name, layer }) => `${name} (${layer})`);
  return names.join(', ') || 'none but those of pool';
}

/** The names of a commit, as many as one reads. */
function namesOf({ refs }: PreviewView): string[] {
  const more = refs.length - REF_LIMIT;
  return [...refs.slice(0, REF_LIMIT), ...(more > 0 ? [`and ${more} more`] : [])];
}

/** The end of a log: at most so many lines, and never more than `TAIL_BYTES` of markup. */
function logBox(log: string, lines = Infinity): Html {
  const text = log.trimEnd();
  const last = text.split('\n').slice(-lines).join('\n');
  let tail = last.slice(-TAIL_BYTES);
  while (Buffer.byteLength(html`${tail}`.text) > TAIL_BYTES) {
    tail = tail.slice(Math.ceil(tail.length / 4));
  }
  // The line in which the cut fell is left out, unless it is the only one.
  if (tail.length < last.length) tail = tail.slice(tail.indexOf('\n') + 1);
  const whole = tail.length < text.length && html`<a href="/_pool/log">… the whole log …</a>`;
  const shown = [whole || undefined, tail === '' ? undefined : tail];
  const parts = shown.filter((part) => part !== undefined).map((part) => html`${part}\n`);
  return html`<pre tabindex="0" role="log" aria-label="Log">${parts}</pre>`;
}

function runFacts({ state }: PreviewView, now: number): [string, string][] {
  const facts: [string, string][] = [];
  if ('build' in state && state.build !== undefined) facts.push(...imageFacts(state.build, now));
  if (state.phase === 'ready') {
    const { port, portRule, published } = state.endpoint;
    const all = Object.keys(published).join(', ');
    const beside = portRule.includes(all) ? '' : ` (published: ${all})`;
    facts.push(['Port', `${port}: ${portRule}${beside}`]);
    if (state.health !== undefined) {
      const { status: health, output } = state.health;
      facts.push(['Health', [health, output].filter((part) => part !== '').join(': ')]);
    }
    facts.push(['Start', `answered after ${duration(state.startMs)}`]);
    facts.push(['Container', state.endpoint.containerId.slice(0, 12)]);
  }
  const failed = failureOf(state);
  if (failed !== undefined) facts.push(['Failure', `${failed.message} ${failed.next}`]);
  return facts;
}

/** Where the image came from, and what it was made of. */
function imageFacts(
  build: Extract<PreviewState, { phase: 'starting' }>['build'],
  now: number,
): [string, string][] {
  const { recipe, base, builtAt } = build;
  const by = build.reused
    ? `of ${build.how === 'recipe' ? `commit ${build.from?.slice(0, 10)}, which has the same recipe` : 'an earlier build'}`
    : `built by ${build.builder === 'buildkit' ? 'BuildKit' : 'the classic builder'} in ${duration(build.ms)}`;
  const pulled = build.pulled !== undefined && `pulled as ${build.pulled}`;
  const missing = build.missing !== undefined && `for there is no image ${build.missing}`;
  const when = builtAt !== undefined && `${build.reused ? 'built ' : ''}${age(builtAt, now)}`;
  const on = base !== undefined && `on ${base}`;
  const parts = [pulled || by, missing, when, on].filter((part) => part !== false);
  const alone =
    !build.reused && build.asksForCommit
      ? '; ARG POOL_COMMIT in the Dockerfile parts it from every other commit, and its steps from the cache'
      : '';
  const facts: [string, string][] = [['Image', parts.join(', ')]];
  if (recipe !== undefined) facts.push(['Recipe', recipe.slice(0, 12) + alone]);
  for (const note of build.notes ?? []) facts.push(['Context', note]);
  if (!build.reused && build.documentation !== undefined) {
    const { files, lines } = build.documentation;
    facts.push([
      'Documentation',
      `it was built for a change of ${files.join(', ')} alone. Where the application shows none of that, ${lines.length === 1 ? 'this line in .dockerignore makes' : 'these lines in .dockerignore make'} such commits instant: ${lines.join(', ')}`,
    ]);
  }
  return facts;
}

/** Why it failed, or why its rebuild did. */
function failureOf(state: PreviewState): Failure | undefined {
  const last = state.phase === 'ready' ? state.rebuild : state;
  return last?.phase === 'failed' ? last.failure : undefined;
}

/** The phases that make the preview's page out of date. */
function otherPhases({ state }: PreviewView): string {
  const all = ['queued', 'building', 'starting', 'ready', 'rebuilding', 'rebuild-failed', 'failed'];
  return all.filter((kind) => kind !== pageKind(state)).join(' ');
}

function short({ commit }: PreviewView): string {
  return commit.slice(0, 10);
}
