import { setImmediate as breathe } from 'node:timers/promises';
import { PreviewError } from '../errors.ts';

/**
 * `.dockerignore` as the engine reads it (the rules of moby/patternmatcher and its ignorefile):
 * a pattern also covers everything below what it matches, the last pattern that matches decides,
 * and `!` lets back in. A commit's patterns are not to be trusted with a backtracking engine:
 * matching steps through all states at once, and lets others in between.
 */
export interface IgnoreRules {
  /** True where the builder must not see `path` (no leading slash, `/` between). */
  ignores(path: string): Promise<boolean>;
}

/** More patterns than this, or longer ones, are a mistake or an attack on the queue. */
export const PATTERN_LIMIT = 2000;
const TOKEN_LIMIT = 256;

/** Matching holds up nobody for longer than about this. */
const BREATH_MS = 5;

/** All paths of the largest tree take seconds; what needs longer was made to. */
const MATCH_LIMIT_MS = 30_000;

/**
 * Parses the file's text; throws a `SyntaxError` that names the line it cannot read. Matching fails
 * with `context-refused` once it took `limitMs` in all.
 */
export function parseIgnoreFile(text: string, limitMs = MATCH_LIMIT_MS): IgnoreRules {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((line, index) => parseLine(line, index + 1));
  if (rules.length > PATTERN_LIMIT) {
    throw new SyntaxError(`it has ${rules.length} patterns; the limit is ${PATTERN_LIMIT}`);
  }
  let breathed = performance.now();
  // Counted in breaths, so that no time counts in which others had their turn.
  let breaths = limitMs / BREATH_MS;
  return {
    async ignores(path) {
      const letters = Array.from(path);
      let ignored = false;
      for (const rule of rules) {
        // A rule that could only repeat the verdict need not be asked.
        if (rule.negated === ignored && rule.covers(letters)) ignored = !ignored;
        if (performance.now() - breathed > BREATH_MS) {
          if (--breaths < 0) throw tooSlow(limitMs);
          await breathe();
          breathed = performance.now();
        }
      }
      return ignored;
    },
  };
}

interface Rule {
  negated: boolean;
  /** Whether the pattern matches the path, or a folder above it. */
  covers(letters: readonly string[]): boolean;
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
  // "." names the whole context, which the engine never leaves out.
  if (pattern === '.') return [];
  try {
    const tokens = tokenize(pattern);
    if (tokens.length > TOKEN_LIMIT) throw new SyntaxError(`it is longer than ${TOKEN_LIMIT}`);
    return [{ negated, covers: matcher(tokens) }];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SyntaxError(`line ${number}, "${written.slice(0, 80)}": ${reason}`, { cause: error });
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
  for (let rest = pattern; rest !== '';) {
    const [token, length] = firstToken(rest);
    tokens.push(token);
    rest = rest.slice(length);
  }
  return tokens;
}

function firstToken(rest: string): [Token, length: number] {
  if (rest === '**') return [{ kind: 'rest' }, 2];
  if (rest.startsWith('**/')) return [{ kind: 'folders' }, 3];
  if (rest.startsWith('**')) return [{ kind: 'folders' }, 2];
  if (rest.startsWith('[')) return classToken(rest);
  const escaped = rest.startsWith('\\');
  const letter = String.fromCodePoint(rest.codePointAt(escaped ? 1 : 0) ?? 0);
  if (escaped && rest.length === 1) throw new SyntaxError('nothing follows the backslash');
  if (escaped) return [{ kind: 'letter', letter }, 1 + letter.length];
  if (letter === '*') return [{ kind: 'any' }, 1];
  if (letter === '?') return [{ kind: 'one' }, 1];
  return [{ kind: 'letter', letter }, letter.length];
}

/** `[a-z_]`, `[^a-z]`; a hyphen or bracket that means itself stands after a backslash. */
function classToken(text: string): [Token, length: number] {
  const match = /^\[(\^?)((?:(?:\\.|[^\]\\-])(?:-(?:\\.|[^\]\\-]))?)+)\]/su.exec(text);
  if (match === null) throw new SyntaxError('the bracket is not closed, or its range is none');
  const [whole, caret, inside = ''] = match;
  const ranges: [string, string][] = [];
  for (const [, low = '', high = low] of inside.matchAll(/(\\.|[^\\])(?:-(\\.|[^\\]))?/gsu)) {
    ranges.push([low.replace(/^\\(?=.)/su, ''), high.replace(/^\\(?=.)/su, '')]);
  }
  return [{ kind: 'class', negated: caret === '^', ranges }, whole.length];
}

/**
 * A machine with a state per token, and a second one for a `folders` token of which some was read.
 * Each letter takes all live states one step: time grows with tokens times letters, never faster.
 */
function matcher(tokens: readonly Token[]): (letters: readonly string[]) => boolean {
  const end = tokens.length;
  let now = new Uint8Array(2 * end + 2);
  let next = new Uint8Array(2 * end + 2);

  /** Marks a state, and those that are reached from it without a letter. */
  const enter = (states: Uint8Array, at: number): void => {
    for (let index = at; states[2 * index] === 0; index++) {
      states[2 * index] = 1;
      const kind = tokens[index]?.kind;
      if (kind !== 'any' && kind !== 'rest' && kind !== 'folders') break;
    }
  };

  return (letters) => {
    now.fill(0);
    enter(now, 0);
    for (const letter of letters) {
      if (letter === '/' && now[2 * end] === 1) return true;
      next.fill(0);
      let alive = false;
      for (let at = 0; at < end; at++) {
        const token = tokens[at];
        if (token === undefined || (now[2 * at] === 0 && now[2 * at + 1] === 0)) continue;
        alive = true;
        if (token.kind === 'folders') {
          next[2 * at + 1] = 1;
          if (letter === '/') enter(next, at + 1);
        } else if (token.kind === 'rest' || (token.kind === 'any' && letter !== '/')) {
          enter(next, at);
        } else if (token.kind !== 'any' && accepts(token, letter)) {
          enter(next, at + 1);
        }
      }
      if (!alive) return false;
      [now, next] = [next, now];
    }
    return now[2 * end] === 1;
  };
}

function accepts(token: Token, letter: string): boolean {
  if (token.kind === 'letter') return token.letter === letter;
  if (token.kind === 'class') {
    const hit = token.ranges.some(([low, high]) => low <= letter && letter <= high);
    return hit !== token.negated;
  }
  return token.kind === 'one' && letter !== '/';
}

function tooSlow(limitMs: number): PreviewError {
  return new PreviewError(
    'context-refused',
    `This commit is not built, for its ignore file takes longer than ${limitMs / 1000} s to apply.`,
    'Write fewer or simpler patterns in a new commit, and visit that one.',
  );
}
