import type { Goal, Section, Table } from './benchmark.ts';
import type { Spread } from './rounds.ts';

const GOAL_HEADER = ['what', 'must reach', 'measured', ''];

/** A section of the document, below its heading. */
export function sectionText(section: Section, where: string): string {
  const { how, tables, goals, notSaid, contestants } = section;
  const goalTable = { header: GOAL_HEADER, rows: goals.map(goalRow) };
  return [
    how,
    ...tables.map(tableText),
    tableText(goalTable),
    `**What this does not say.** ${notSaid}`,
    `*${[...contestants, where].join('; ')}.*`,
  ].join('\n\n');
}

function goalRow({ what, must, got, reached }: Goal): string[] {
  return [what, must, got, reached === undefined ? '' : reached ? '✓' : '✗'];
}

/** A table in Markdown. */
export function tableText({ header, rows }: Table): string {
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [header, rule, ...rows].map(row).join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/**
 * Puts a section between its markers in a document, at the end where it has none; the summary, one
 * line for each goal of every section, is made anew from what then stands there.
 */
export function withSection(document: string, name: string, title: string, text: string): string {
  const placed = placeBetween(document, name, text) ?? append(document, name, title, text);
  return placeBetween(placed, 'summary', summaryOf(placed)) ?? placed;
}

function append(document: string, name: string, title: string, text: string): string {
  return `${document.trimEnd()}\n\n## ${title}\n\n${marked(name, text)}\n`;
}

function placeBetween(document: string, name: string, text: string): string | undefined {
  const [begin, end] = markers(name);
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) return undefined;
  return document.slice(0, from) + marked(name, text) + document.slice(to + end.length);
}

function marked(name: string, text: string): string {
  const [begin, end] = markers(name);
  return `${begin}\n\n${text}\n\n${end}`;
}

function markers(name: string): [begin: string, end: string] {
  return [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
}

/** The goals of all sections below the summary. */
function summaryOf(document: string): string {
  const [, end] = markers('summary');
  const head = tableText({ header: GOAL_HEADER, rows: [] });
  const sections = document.slice(document.indexOf(end)).split(`${head}\n`).slice(1);
  const rows = sections.flatMap((text) => (text.split('\n\n')[0] ?? '').split('\n'));
  return [head, ...rows].join('\n');
}

/** "0.52 (0.48–0.61)": a median and what lies around it. */
export function spreadText({ median, least, most }: Spread, digits: number): string {
  const [middle, low, high] = [median, least, most].map((value) => value.toFixed(digits));
  return `${middle} (${low}–${high})`;
}
