/** What one look of the doctor found. */
export interface Finding {
  state: 'ok' | 'warn' | 'bad';
  about: string;
  words: string;
  /** What to do about it. */
  next?: string;
}

export function ok(about: string, words: string): Finding {
  return { state: 'ok', about, words };
}

/** Works, and not as well as it could. */
export function warn(about: string, words: string, next: string): Finding {
  return { state: 'warn', about, words, next };
}

/** Pool does not work so, or not as it promises. */
export function bad(about: string, words: string, next: string): Finding {
  return { state: 'bad', about, words, next };
}
