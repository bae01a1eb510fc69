/** How programs of many kinds begin to say what went wrong. */
const ERROR =
  /\b(\w*error|err!?|\w*exception|fatal|failed|unknown|cannot|can't|could not|unable to|not found|no such|not set|denied|refused)(?!\w)/i;

/** What speaks of errors and is none: warnings, the line of the source that threw, npm before it says more. */
const NO_ERROR = /\bwarn(ing)?\b|^throw\b|^npm (ERR!|error)( (code|errno|syscall)\b.*)?$/i;

/** A sentence with more of it is not read. */
const SHOWN = 200;

/**
 * Of the last lines that a program wrote the one that most likely says why it ended: the first that
 * names an error, since the others come of it; else the last.
 */
export function tellingLine(lines: readonly string[]): string | undefined {
  const words = lines.map((line) => line.trim()).filter((line) => line !== '');
  const line = words.find((one) => ERROR.test(one) && !NO_ERROR.test(one)) ?? words.at(-1);
  return line?.slice(0, SHOWN);
}

/** The telling line as the end of a sentence; nothing where there is none. */
export function itSaid(lines: readonly string[]): string {
  const line = tellingLine(lines)?.replace(/\.$/, '');
  return line === undefined ? '' : `; it said: ${line}`;
}

/** Whether some line says that a host's name or network was out of reach. */
export function reachedNoHost(lines: readonly string[]): boolean {
  return lines.some((line) => NO_HOST.test(line));
}

/** Whether some line says that a file found no room on its disk. */
export function foundNoRoom(lines: readonly string[]): boolean {
  return lines.some((line) => /no space left on device|ENOSPC/i.test(line));
}

const NO_HOST =
  /could not resolve|unable to resolve|temporary failure (in name resolution|resolving)|EAI_AGAIN|ENOTFOUND|ENETUNREACH|no such host|UnknownHost|network is unreachable/i;
