import { describe, expect, it } from 'vitest';
import { tellingLine } from '../../src/telling-line.ts';

describe('of what a program wrote before it ended the line that says why is told', () => {
  it.each([
    [
      'Node, a module that is missing',
      [
        'internal/modules/cjs/loader.js:883',
        '  throw err;',
        '  ^',
        '',
        "Error: Cannot find module 'express'",
        '    at Function.Module._load (internal/modules/cjs/loader.js:725:27)',
        'npm ERR! code ELIFECYCLE',
      ],
      "Error: Cannot find module 'express'",
    ],
    [
      'Python',
      [
        'Traceback (most recent call last):',
        '  File "app.py", line 1, in <module>',
        "KeyError: 'KEY'",
      ],
      "KeyError: 'KEY'",
    ],
    [
      'a warning before it',
      ['npm WARN deprecated a@1: error prone', 'npm ERR! Missing script: "start"', 'npm ERR! log'],
      'npm ERR! Missing script: "start"',
    ],
    [
      'npm, which begins with a code',
      ['npm error code EUSAGE', 'npm error', 'npm error The `npm ci` command can only …'],
      'npm error The `npm ci` command can only …',
    ],
    [
      'a command that nobody knows',
      ['Unknown command: "start:prod"', '', 'To see a list of commands, run:', '  npm help'],
      'Unknown command: "start:prod"',
    ],
    ['a shell', ['+ make', '/bin/sh: 1: make: not found', 'done'], '/bin/sh: 1: make: not found'],
    [
      'apt',
      ['Reading package lists...', 'E: Unable to locate package x'],
      'E: Unable to locate package x',
    ],
    [
      'nothing that names an error: the last',
      ['begun', 'usage: app [FILE]', ''],
      'usage: app [FILE]',
    ],
  ])('%s', (_, lines, told) => {
    expect(tellingLine(lines)).toBe(told);
  });

  it('nothing, where it wrote nothing', () => {
    expect(tellingLine(['', '  '])).toBeUndefined();
  });

  it('not at any length', () => {
    expect(tellingLine(['x'.repeat(10_000)])).toHaveLength(200);
  });
});
