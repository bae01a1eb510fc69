import { age } from '../page/words.ts';
import { ask } from './ask-pool.ts';
import { type Command, EXIT, POOL_FLAGS, print } from './command.ts';
import { table, terminalWidth } from './table.ts';

/** `pool ls`: what runs, is on its way or failed, and what has an image. */
export const ls: Command = {
  name: 'ls',
  about: 'lists previews that run, are on their way, or are built',
  flags: POOL_FLAGS,
  async run(asked) {
    const { previews } = await ask('ls', {}, asked);
    if (asked.values['json'] === true) return print(previews);
    const now = Date.now();
    const rows = previews.map(({ commit, repository, phase, rebuild, since, refs, subject }) => [
      commit.slice(0, 10),
      repository,
      rebuild === undefined ? phase : `${phase}, rebuild ${rebuild}`,
      since === 0 ? '' : age(since, now),
      refs.join(' '),
      subject,
    ]);
    const head = ['COMMIT', 'REPOSITORY', 'PHASE', 'SINCE', 'NAMED BY', 'SUBJECT'];
    process.stdout.write(table(head, rows, terminalWidth()));
    if (rows.length === 0) process.stderr.write('Nothing was visited yet.\n');
    return EXIT.ok;
  },
};
