import { ask } from './ask-pool.ts';
import { type Command, POOL_FLAGS } from './command.ts';
import { report } from './report.ts';

/** `pool rebuild`: what a registry or the network decides is asked anew. */
export const rebuild: Command = {
  name: 'rebuild',
  words: '<address> [--no-pull]',
  about: 'builds it anew, on newer base images and with no cached step',
  flags: [{ name: 'no-pull', help: 'keep the base images that are here' }, ...POOL_FLAGS],
  more: 'It returns at once; "pool wait" waits for the end, "pool logs -f" shows the way.',
  async run(asked) {
    const { words, values } = asked;
    const request = { address: words[0] ?? '', pull: values['no-pull'] !== true };
    const row = await ask('rebuild', request, asked);
    return report({ ...row, words: 'is built anew' }, values);
  },
};
