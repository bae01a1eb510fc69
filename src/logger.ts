/** Writes one event as one line: what happened, to what, and its details. */
export type Logger = (event: string, ...fields: readonly object[]) => void;

/**
 * A logger of logfmt lines: time, event, `key=value`; values with spaces in JSON's quotes. What is
 * `undefined` is left out: a line says what is known.
 */
export function logfmt(write: (line: string) => void): Logger {
  return (event, ...fields) => {
    const all = Object.entries(Object.assign({}, ...fields) as Record<string, unknown>);
    const told = all.filter(([, value]) => value !== undefined);
    const pairs = told.map(([key, value]) => `${key}=${format(value)}`);
    write(`${[new Date().toISOString(), event, ...pairs].join(' ')}\n`);
  };
}

/** What a terminal would obey or not show: git, engines and applications put their words in here. */
const UNSEEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/v;

function format(value: unknown): string {
  if (value instanceof Error) return quote(value.stack ?? value.message);
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return /^[^\s"=]+$/.test(text) && !UNSEEN.test(text) ? text : quote(text);
}

/** A text in JSON's quotes, with nothing in it but what is seen. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll(new RegExp(UNSEEN, 'gv'), (letter) =>
    letter.replaceAll(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}
