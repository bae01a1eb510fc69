import { ask } from './ask-pool.ts';
import { type Command, POOL_FLAGS } from './command.ts';
import { report } from './report.ts';

/** `pool stop`: ends a preview, or the work on it. */
export const stop: Command = {
  name: 'stop',
  words: '<address>',
  about: 'ends it; the next visit starts it again',
  flags: POOL_FLAGS,
  more: `A waiting page that is open loads again, which is such a visit: close it first. Requests that
are held are refused, and start nothing.`,
  async run(asked) {
    return report(await ask('stop', { address: asked.words[0] ?? '' }, asked), asked.values);
  },
};
