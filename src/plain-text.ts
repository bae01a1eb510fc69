/** A longer line is a progress bar or an accident; what follows is cut. */
const LINE_LIMIT = 16 * 1024;

/** OSC, DCS, SOS, PM and APC strings up to their terminator, then CSI and two-byte escapes (ECMA-48). */
const STRINGS =
  /(?:\u001B[\]PX^_]|[\u009D\u0090\u0098\u009E\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C|$)/g;
const SEQUENCES = /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]?|\u001B[ -/]*[0-~]?/g;
/** C0 but tab, DEL, C1, the marks that reorder text, and line separators. */
const CONTROLS =
  /[\u0000-\u0008\u000A-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\u2028\u2029]/g;

/**
 * One line of a build's or a container's output as harmless text: what a terminal would show of it
 * after its last carriage return, without colours, links, bells and direction marks. Markup stays
 * as it is: whoever makes HTML of it escapes it.
 */
export function plainLine(line: string): string {
  const cut = line.length > LINE_LIMIT ? `${line.slice(0, LINE_LIMIT)} … (line cut)` : line;
  const text = cut.replace(STRINGS, '').replace(SEQUENCES, '');
  const shown = text.split('\r').findLast((part) => part !== '') ?? '';
  return shown.replace(CONTROLS, '').trimEnd();
}

/** Several lines, each made plain. */
export function plainText(text: string): string {
  return text.split('\n').map(plainLine).join('\n');
}

/** Cuts output that comes in pieces into whole lines, with a bound on what it holds back. */
export class LineSplitter {
  #rest = '';

  /** The lines that `text` completes, made plain. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    // The last part has no newline yet; where it is too long already, nobody misses its end.
    this.#rest = (lines.pop() ?? '').slice(0, LINE_LIMIT + 1);
    return lines.map(plainLine);
  }

  /** What is left without a newline at the end. */
  flush(): string[] {
    const rest = this.#rest;
    this.#rest = '';
    return rest === '' ? [] : [plainLine(rest)];
  }
}
