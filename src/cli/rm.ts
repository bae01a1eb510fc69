import { ask } from './ask-pool.ts';
import { type Command, POOL_FLAGS } from './command.ts';
import { report } from './report.ts';

/** `pool rm`: the same as stop, and the image and the log go as well. */
export const rm: Command = {
  name: 'rm',
  words: '<address>',
  about: 'removes container, image and log',
  flags: POOL_FLAGS,
  async run(asked) {
    const row = await ask('rm', { address: asked.words[0] ?? '' }, asked);
    return report({ ...row, words: 'removed; the next visit builds it' }, asked.values);
  },
};
