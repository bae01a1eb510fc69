import { ask } from './ask-pool.ts';
import { type Command, POOL_FLAGS } from './command.ts';
import { report } from './report.ts';

/** `pool rebuild`: what a registry or the network decides is asked anew. */
export const rebuild: Command = {
  name: 'rebuild',
  words: '<address> [--pull] [--no-cache]',
  about: 'builds and starts it once more',
  flags: [
    { name: 'pull', help: 'look for newer base images' },
    { name: 'no-cache', help: 'run every step again' },
    ...POOL_FLAGS,
  ],
  more: 'It returns at once; "pool wait" waits for the end, "pool logs -f" shows the way.',
  async run(asked) {
    const { words, values } = asked;
    const flags = { pull: values['pull'] === true, noCache: values['no-cache'] === true };
    return report(await ask('rebuild', { address: words[0] ?? '', ...flags }, asked), values);
  },
};
