import { expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { deskListener } from '../../../src/desk/desk.ts';
import type { History } from '../../../src/mirror/history.ts';
import type { Mirror } from '../../../src/mirror/mirror.ts';
import { httpServer } from '../fixtures/servers.ts';

const name = toRepositoryName('shop') ?? expect.fail();

it('the strip is sent anew when a preview changes, until the pool ends', async () => {
  const mirror = { repository: { name }, table: { refs: [] }, problem: 'one', triedAt: Date.now() };
  const changes = new EventTarget();
  const closing = new AbortController();
  const logged: string[] = [];
  await using server = await httpServer(
    deskListener({
      mirrors: new Map([[name, mirror as unknown as Mirror]]),
      previews: { get: () => undefined, changes },
      history: {} as History,
      refreshMs: 60_000,
      logger: (event) => logged.push(event),
      closing: closing.signal,
    }),
  );
  const { body } = await fetch(`http://127.0.0.1:${server.port}/events`);
  let told = '';
  for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    told += piece;
    if (told.includes('one') && mirror.problem === 'one') {
      mirror.problem = 'two';
      changes.dispatchEvent(new Event('change'));
    } else if (told.includes('two')) closing.abort();
  }
  expect(told.match(/^event: strip$/gm)).toHaveLength(2);
  expect(logged).toEqual([]);
});
