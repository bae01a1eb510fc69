import type { Probe } from './probe.ts';
import type { Outcome } from './try.ts';

/** A proxy, or why there is none. */
export interface Column {
  name: string;
  version: string;
  settings: string;
  /** Nothing where the proxy is not installed. */
  outcomes: ReadonlyMap<Probe, Outcome> | undefined;
}

const SIGNS: Readonly<Record<Outcome['is'], string>> = {
  passed: '✓',
  failed: '✗',
  'not applicable': 'n.a.',
};

/** One row for each probe, under its family's name, and the counts. In Markdown. */
export function table(probes: readonly Probe[], columns: readonly Column[]): string {
  const lines = [
    row('', ...columns.map(({ name }) => name)),
    row('---', ...columns.map(() => ':---:')),
  ];
  for (const [family, members] of Map.groupBy(probes, (probe) => probe.family)) {
    lines.push(row(`**${family}**`, ...columns.map(() => '')));
    for (const probe of members) {
      const cells = columns.map(
        ({ outcomes }) => SIGNS[outcomes?.get(probe)?.is ?? 'not applicable'],
      );
      lines.push(row(escape(`${probe.name}${probe.own ? ' †' : ''}`), ...cells));
    }
  }
  for (const own of [false, true]) {
    const counted = probes.filter((probe) => (probe.own ?? false) === own);
    const cells = columns.map((column) => score(counted, column));
    lines.push(row(own ? "**pool's own promises, †**" : '**HTTP as it is written**', ...cells));
  }
  return `${lines.join('\n')}\n`;
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function score(probes: readonly Probe[], { outcomes }: Column): string {
  if (outcomes === undefined) return 'not installed';
  const count = (is: Outcome['is']) =>
    probes.filter((probe) => outcomes.get(probe)?.is === is).length;
  return `${count('passed')} of ${probes.length - count('not applicable')}`;
}

/** What each proxy did instead, a line for each. */
export function failures(probes: readonly Probe[], columns: readonly Column[]): string {
  const sections = columns.map(({ name, outcomes }) => {
    const lines = probes.flatMap((probe) => {
      const outcome = outcomes?.get(probe);
      return outcome?.is === 'failed' ? [`- ${probe.name}: \`${plain(outcome.saw)}\``] : [];
    });
    return lines.length === 0 ? '' : `### ${name}\n\n${lines.join('\n')}\n`;
  });
  return sections.filter((section) => section !== '').join('\n');
}

/** Without what differs from run to run, and without a backtick, which would end the code. */
function plain(saw: string): string {
  return saw
    .replaceAll(/[0-9a-f]{40}(---\d+)?\.pool\.localhost:\d+/g, '<host>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
    .replaceAll(/Date: [^\\]*\\r\\n/g, '')
    .replaceAll(/(port: )\d+/g, '$1…')
    .replaceAll('`', "'")
    .replace(/^(.{160}).+$/s, '$1…');
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*');
}
