/** A longer line is a progress bar or an accident; what follows is cut. */
const LINE_LIMIT = 16 * 1024;

/**
 * OSC, DCS, SOS, PM and APC strings up to their terminator (ECMA-48). CAN, SUB and the next escape
 * end one as well, as terminals have it.
 */
const STRINGS =
  /(?:\u001B[\]PX^_]|[\u009D\u0090\u0098\u009E\u009F])[^\u0007\u0018\u001A\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)?/g;
/** CSI and two-byte escapes. */
const SEQUENCES = /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]?|\u001B[ -/]*[0-~]?/g;
/**
 * All controls but tab and return, marks that reorder text, line separators, and letters that show
 * nothing and so can only deceive. Joiners and variants, which scripts and emoji need, stay.
 */
const UNSEEN =
  /[[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\uFFF9-\uFFFB]--[\p{Join_Control}\t\r[\uFE00-\uFE0F]]]/gv;
/** Marks beyond four on one letter are no writing: they would paint over the lines around. */
const FLOOD = /([\p{M}\p{Join_Control}]{4})[\p{M}\p{Join_Control}]+/gv;

/**
 * One line of a build's or a container's output as harmless text: what a terminal would show of it
 * after its last carriage return, without colours, links, bells, direction marks and invisible
 * letters. Markup stays as it is: whoever makes HTML of it escapes it.
 */
export function plainLine(line: string): string {
  const cut = line.length > LINE_LIMIT ? `${start(line)} … (line cut)` : line;
  const text = cut.replace(STRINGS, '').replace(SEQUENCES, '').replace(UNSEEN, '');
  const shown = text.split('\r').findLast((part) => part !== '') ?? '';
  return shown.replace(FLOOD, '$1').toWellFormed().trimEnd();
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
    // A line that is too long already gains nothing: it is not put together anew for each letter.
    if (this.#rest.length > LINE_LIMIT && !/[\r\n]/.test(text)) return [];
    const lines = (this.#rest + text).split('\n');
    const rest = lines.pop() ?? '';
    this.#rest = rest.length > LINE_LIMIT ? start(rest, LINE_LIMIT + 1) : rest;
    return lines.map(plainLine);
  }

  /** What is left without a newline at the end. */
  flush(): string[] {
    const rest = this.#rest;
    this.#rest = '';
    return rest === '' ? [] : [plainLine(rest)];
  }
}

/** Of a line that is too long the start of what its last return left. */
function start(line: string, length = LINE_LIMIT): string {
  const at = line.lastIndexOf('\r', line.length - 2) + 1;
  return line.slice(at, at + length);
}
