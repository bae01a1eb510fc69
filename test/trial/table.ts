import type { TrialEntry } from './list.ts';
import type { Outcome } from './visit.ts';

/** One repository of a trial, and what came of its commits; or why pool did not serve it at all. */
export interface Tried {
  entry: TrialEntry;
  outcomes: readonly Outcome[];
  problem?: string;
}

const HEAD = ['commit', 'built', 'ready', 'port', 'build', 'start', 'visit', 'again', 'said'];

/** A row for each commit, below one for its repository, and the counts. In Markdown. */
export function table(tried: readonly Tried[]): string {
  const all = tried.flatMap(({ outcomes }) => outcomes);
  const ready = all.filter(isReady).length;
  const lines = tried.flatMap(({ entry, outcomes, problem }) => [
    row([`**[${entry.name}](${entry.url})**`], plain(entry.habits || (problem ?? ''))),
    ...outcomes.map((outcome) => row(cells(outcome), said(outcome))),
  ]);
  return [
    row(HEAD.slice(0, -1), HEAD.at(-1) ?? ''),
    row(['---', '---', '---', '---', '--:', '--:', '--:', '--:'], '---'),
    ...lines,
    '',
    `${all.length} commits of ${tried.length} repositories: ${ready} ready, ${all.length - ready} failed.`,
    '',
  ].join('\n');
}

const BEGIN = '<!-- npm run trial -- --write makes what follows. -->\n';
const END = '<!-- What npm run trial made ends here. -->\n';

/** A document with `made` in the place of what an earlier trial made, or at its end. */
export function withTable(document: string, made: string): string {
  const [before = '', rest = ''] = document.split(BEGIN);
  return `${before}${BEGIN}\n${made}\n${END}${rest.split(END)[1] ?? ''}`;
}

/** One line of progress. */
export function line({ entry, outcomes }: Tried): string {
  const last = outcomes.at(-1);
  return last === undefined
    ? `${entry.name}: not served`
    : `${entry.name} ${cells(last).join('  ')}  ${said(last)}`;
}

function cells({ commit, view, status, visitMs, againMs }: Outcome): string[] {
  const { build, endpoint, startMs, phase } = view.state;
  return [
    `\`${commit.slice(0, 10)}\` ${new Date(view.date).toISOString().slice(0, 10)}`,
    build === undefined ? 'no' : build.reused ? 'reused' : 'yes',
    phase === 'ready' ? `yes, ${status}` : 'no',
    plain(endpoint?.portRule ?? ''),
    build?.reused === false ? `${seconds(build.ms)} s` : '',
    startMs === undefined ? '' : `${seconds(startMs)} s`,
    `${seconds(visitMs)} s`,
    againMs === undefined ? '' : `${Math.ceil(againMs)} ms`,
  ];
}

function said({ view, status }: Outcome): string {
  const { failure, phase } = view.state;
  if (failure !== undefined) return plain(`${failure.message} ${failure.next}`);
  return phase === 'ready' ? '' : `still ${phase} at the limit, answered ${status}`;
}

function isReady({ view }: Outcome): boolean {
  return view.state.phase === 'ready';
}

function row(cellTexts: readonly string[], last: string): string {
  const empty = Array.from({ length: HEAD.length - 1 - cellTexts.length }, () => '');
  return `| ${[...cellTexts, ...empty, last].join(' | ')} |`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 10_000 ? 1 : 0);
}

/** What would end a cell, or be read as markup. */
function plain(text: string): string {
  return text.replaceAll(/[|*_<[\]`\\]/g, '\\$&').replaceAll(/\s+/g, ' ');
}
