import { z } from 'zod';
import { nearest } from '../nearest.ts';

/** An object of known keys; one that nobody knows is told with the nearest that somebody does. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys, Object.keys(shape));
      return issue.input === undefined ? 'expected a value' : 'expected an object';
    },
  });
}

function unknownKeys(keys: readonly string[], known: readonly string[]): string {
  const told = keys.map((key) => {
    const [near] = nearest(key, known, (name) => name, 1);
    return `"${key}" is no option here${near === undefined ? '' : `; did you mean "${near}"?`}`;
  });
  return told.join('; ');
}
