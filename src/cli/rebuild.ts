import { ask } from './ask-pool.ts';
import { type Command, EXIT, POOL_FLAGS } from './command.ts';
import { report } from './report.ts';

/** `pool rebuild`: what a registry or the network decides is asked anew. */
export const rebuild: Command = {
  name: 'rebuild',
  words: '<address> [--no-pull]',
  about: 'builds it anew, on newer base images and with no cached step',
  flags: [
    { name: 'no-pull', help: 'ask no registry: keep the images that are here' },
    ...POOL_FLAGS,
  ],
  more: `What is ready serves until the new one answers, and goes on where that fails.
It waits for the end, and may be ended before; "pool logs -f" shows the way.

Exit codes
  0  it is built anew, and ready    1  it is not, and this prints why`,
  async run(asked) {
    const { words, values } = asked;
    const request = { address: words[0] ?? '', pull: values['no-pull'] !== true };
    const row = await ask('rebuild', request, asked);
    report(row, values);
    return row.phase === 'ready' && row.rebuild === undefined ? EXIT.ok : EXIT.failed;
  },
};
