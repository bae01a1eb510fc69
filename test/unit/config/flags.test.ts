import { describe, expect, it } from 'vitest';
import { type Flag, flagHelp, readFlags } from '../../../src/cli/flags.ts';

const FLAGS: readonly Flag[] = [
  { name: 'repository', value: '<repository>', repeatable: true, help: 'what is served' },
  { name: 'listen', value: '<host:port>', help: 'where\nvisitors come' },
  { name: 'help', help: 'this text' },
];

const read = (...args: string[]) => readFlags(args, FLAGS);

describe('flags are read', () => {
  it.each([
    [[], {}],
    [['--listen', ':80'], { listen: ':80' }],
    [['--listen=:80'], { listen: ':80' }],
    [['--listen=a=b'], { listen: 'a=b' }],
    [['--listen', '1', '--listen', '2'], { listen: '2' }],
    [['--repository', 'a', '--repository=b'], { repository: ['a', 'b'] }],
    [['--help'], { help: true }],
  ])('%o', (args, values) => {
    expect(read(...args)).toEqual({ values, words: [], problems: [] });
  });
});

describe('what is no flag is a problem in words, not an error', () => {
  it.each([
    [['--listn=x'], ['--listn'], /did you mean --listen/],
    [['--nothing'], ['--nothing'], /is no flag of this command$/],
    [['-x'], ['-x'], /is no flag/],
    [['shop'], ['shop'], /is no flag; a value comes right after its flag/],
    [['--', '--listen'], ['--listen'], /is no flag/],
    [['--listen'], ['--listen'], /expected <host:port> after it/],
    [['--__proto__=x'], ['--__proto__'], /is no flag/],
    [['--constructor'], ['--constructor'], /is no flag/],
  ])('%o', (args, keys, message) => {
    const { problems } = read(...args);
    expect(problems.map(({ key }) => key)).toEqual(keys);
    expect(problems[0]?.message).toMatch(message);
  });

  it('a flag that was taken for the value of another does not go unnoticed', () => {
    expect(read('--repository', '--listen', ':80').problems).not.toEqual([]);
  });

  it('all problems come at once', () => {
    expect(read('--a', '--c=d', '--listen').problems).toHaveLength(3);
  });
});

it('the help is a table', () => {
  expect(flagHelp(FLAGS)).toBe(
    [
      '  --repository <repository>  what is served',
      '  --listen <host:port>       where',
      '                             visitors come',
      '  --help                     this text',
    ].join('\n'),
  );
});
