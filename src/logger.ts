/** Writes one event as one line: what happened, to what, and its details. */
export type Logger = (event: string, ...fields: readonly object[]) => void;

/** A logger of logfmt lines: time, event, `key=value`; values with spaces in JSON's quotes. */
export function logfmt(write: (line: string) => void): Logger {
  return (event, ...fields) => {
    const all = Object.entries(Object.assign({}, ...fields) as Record<string, unknown>);
    const pairs = all.map(([key, value]) => `${key}=${format(value)}`);
    write(`${[new Date().toISOString(), event, ...pairs].join(' ')}\n`);
  };
}

function format(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message);
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
