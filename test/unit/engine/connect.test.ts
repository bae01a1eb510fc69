import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { connectEngine } from '../../../src/engine/connect.ts';
import { until } from '../fixtures/until.ts';
import { httpServer } from '../fixtures/servers.ts';

it('what a call to the engine is made with stays short, however many calls are under way', async () => {
  // docker-modem writes it out with each call, to the last socket of its agent.
  let hanging = 0;
  await using server = await httpServer((request, response) => {
    if (request.url?.endsWith('/version') === true) response.end('{"Version":"1","Os":"linux"}');
    else hanging += 1;
  });
  const { docker } = await connectEngine(`tcp://127.0.0.1:${server.port}`, {});
  const calls = Array.from({ length: 50 }, async () => await docker.listContainers());
  for (const call of calls) call.catch(() => {});
  await until('all hang', () => hanging === 50);
  const { agent } = docker.modem as { agent?: object };
  expect(inspect({ agent }, { showHidden: true, depth: null })).toBe('{ agent: Agent }');
});
