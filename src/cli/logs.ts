import { plainText } from '../plain-text.ts';
import { follow } from './ask-pool.ts';
import { type Command, EXIT, POOL_FLAGS } from './command.ts';

const NOTHING = 'pool: There is no log yet: a visit, or "pool wait", starts it.\n';

/** `pool logs`: what a preview's build and start said. */
export const logs: Command = {
  name: 'logs',
  words: '<address> [-f]',
  about: "prints what a preview's build and start said",
  flags: [
    { name: 'follow', short: 'f', help: 'go on until it is ready or has failed' },
    ...POOL_FLAGS,
  ],
  async run(asked) {
    const { words, values } = asked;
    const request = { address: words[0] ?? '', follow: values['follow'] === true };
    let length = 0;
    for await (const piece of follow('log', request, asked)) {
      const text = values['json'] === true ? `${JSON.stringify(piece)}\n` : plainText(piece.text);
      length += piece.text.length;
      process.stdout.write(text);
    }
    if (length === 0) process.stderr.write(NOTHING);
    return EXIT.ok;
  },
};
