/**
 * `.dockerignore` as the engine reads it (the rules of moby/patternmatcher and its ignorefile):
 * a pattern also covers everything below what it matches, the last pattern that matches decides,
 * and `!` lets back in. Matching steps through all states at once, so that no pattern can make it
 * slow: a commit's patterns are not to be trusted with a backtracking engine.
 */
export interface IgnoreRules {
  /** True where the builder must not see `path` (no leading slash, `/` between). */
  ignores(path: string): boolean;
}

/** More patterns than this are a mistake or an attack on the queue. */
export const PATTERN_LIMIT = 2000;

/** Parses the file's text; throws a `SyntaxError` that names the line it cannot read. */
export function parseIgnoreFile(text: string): IgnoreRules {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((line, index) => parseLine(line, index + 1));
  if (rules.length > PATTERN_LIMIT) {
    throw new SyntaxError(`it has ${rules.length} patterns; the limit is ${PATTERN_LIMIT}`);
  }
  return {
    ignores(path) {
      let ignored = false;
      for (const rule of rules) {
        // A rule that could only repeat the verdict need not be asked.
        if (rule.negated === ignored && coversPathOrParent(rule.tokens, path)) ignored = !ignored;
      }
      return ignored;
    },
  };
}

interface Rule {
  negated: boolean;
  tokens: Token[];
}

/** `any` is `*`, `one` is `?`, `folders` is `**` before more, `rest` a `**` at the end. */
type Token =
  | { kind: 'any' | 'one' | 'folders' | 'rest' }
  | { kind: 'letter'; letter: string }
  | { kind: 'class'; negated: boolean; ranges: [low: string, high: string][] };

function parseLine(line: string, number: number): Rule[] {
  if (line.startsWith('#')) return [];
  const trimmed = line.trim();
  const negated = trimmed.startsWith('!');
  const written = negated ? trimmed.slice(1).trim() : trimmed;
  if (negated && written === '') throw new SyntaxError(`line ${number} is a lone "!"`);
  if (written === '') return [];
  const pattern = clean(written);
  try {
    // "." names the whole context, which the engine never leaves out.
    return pattern === '.' ? [] : [{ negated, tokens: tokenize(pattern) }];
  } catch (error) {
    throw new SyntaxError(`line ${number}, "${written}": ${String(error)}`, { cause: error });
  }
}

/** Go's filepath.Clean, less a leading slash. */
function clean(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !pattern.startsWith('/')) parts.push(part);
  }
  return parts.join('/') || '.';
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = [];
  let index = 0;
  while (index < pattern.length) {
    const rest = pattern.slice(index);
    const letter = rest.charAt(0);
    if (rest === '**') {
      tokens.push({ kind: 'rest' });
      index += 2;
    } else if (rest.startsWith('**')) {
      tokens.push({ kind: 'folders' });
      index += rest.startsWith('**/') ? 3 : 2;
    } else if (letter === '[') {
      const [token, length] = parseClass(rest);
      tokens.push(token);
      index += length;
    } else if (letter === '\\') {
      if (rest.length === 1) throw new SyntaxError('nothing follows the backslash');
      tokens.push({ kind: 'letter', letter: rest.charAt(1) });
      index += 2;
    } else {
      const kind = letter === '*' ? 'any' : letter === '?' ? 'one' : 'letter';
      tokens.push(kind === 'letter' ? { kind, letter } : { kind });
      index += 1;
    }
  }
  return tokens;
}

function parseClass(text: string): [Token, length: number] {
  const match = /^\[(\^?)((?:\\.|[^\]\\])+)\]/s.exec(text);
  if (match === null) throw new SyntaxError('the bracket is not closed');
  const [whole, caret, inside = ''] = match;
  const ranges: [string, string][] = [];
  for (const [, low = '', high = low] of inside.matchAll(/(\\.|[^\\])(?:-(\\.|[^\\]))?/gs)) {
    ranges.push([low.replace(/^\\/, ''), high.replace(/^\\/, '')]);
  }
  return [{ kind: 'class', negated: caret === '^', ranges }, whole.length];
}

function coversPathOrParent(tokens: readonly Token[], path: string): boolean {
  // States: token to match next, and for `folders` whether some of a folder was already read.
  let states = closure(tokens, [{ at: 0, inside: false }]);
  for (const letter of path) {
    if (letter === '/' && accepts(tokens, states)) return true;
    states = closure(
      tokens,
      states.flatMap((state) => step(tokens, state, letter)),
    );
    if (states.length === 0) return false;
  }
  return accepts(tokens, states);
}

interface State {
  at: number;
  inside: boolean;
}

function accepts(tokens: readonly Token[], states: readonly State[]): boolean {
  return states.some((state) => state.at === tokens.length);
}

/** Adds what is reached without reading a letter, each state once. */
function closure(tokens: readonly Token[], states: readonly State[]): State[] {
  const seen = new Map<number, State>();
  const open = [...states];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = state.at * 2 + Number(state.inside);
    if (seen.has(key)) continue;
    seen.set(key, state);
    const kind = tokens[state.at]?.kind;
    if (kind === 'any' || kind === 'rest' || (kind === 'folders' && !state.inside)) {
      open.push({ at: state.at + 1, inside: false });
    }
  }
  return [...seen.values()];
}

function step(tokens: readonly Token[], state: State, letter: string): State[] {
  const token = tokens[state.at];
  const next = { at: state.at + 1, inside: false };
  switch (token?.kind) {
    case undefined:
      return [];
    case 'rest':
      return [state];
    case 'any':
      return letter === '/' ? [] : [state];
    case 'one':
      return letter === '/' ? [] : [next];
    case 'letter':
      return letter === token.letter ? [next] : [];
    case 'folders': {
      const within = { at: state.at, inside: true };
      return letter === '/' ? [within, next] : [within];
    }
    case 'class': {
      const hit = token.ranges.some(([low, high]) => low <= letter && letter <= high);
      return hit === token.negated ? [] : [next];
    }
  }
}
