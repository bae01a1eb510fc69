import { describe, expect, it } from 'vitest';
import { awaitReady, LAST_LINES } from '../../../src/run/await-ready.ts';
import type { Vitals } from '../../../src/run/containers.ts';
import { askHttp } from '../../../src/run/probe.ts';
import { endpointAt } from '../fixtures/fake-control.ts';
import { httpServer, tcpServer } from '../fixtures/servers.ts';
import { NEVER } from '../fixtures/until.ts';

const RUNNING: Vitals = { running: true, exitCode: 0, outOfMemory: false };

/** A container that lives as `vitals` says, and whose last lines are two. */
function container(vitals: () => Vitals | undefined = () => RUNNING) {
  return {
    vitals: async () => await Promise.resolve(vitals()),
    lastLines: async () => await Promise.resolve(['line one', 'line two']),
  };
}

async function ready(
  port: number,
  { vitals = (): Vitals | undefined => RUNNING, limitMs = 2000, signal = NEVER } = {},
) {
  const lines: string[] = [];
  const error = await awaitReady(
    container(vitals),
    endpointAt(port),
    'main.pool.dev',
    (told) => lines.push(...told),
    limitMs,
    signal,
  ).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { error, lines };
}

describe('a probe', () => {
  it.each([200, 204, 301, 401, 404, 500, 503])('takes %i for an answer', async (status) => {
    await using app = await httpServer((_, response) => response.writeHead(status).end());
    expect(await askHttp(app.port, 'x', NEVER)).toBe(status);
  });

  it('asks as a visitor would: by name, at the top, and says who it is', async () => {
    let seen: unknown;
    await using app = await httpServer((request, response) => {
      const { host, 'user-agent': agent } = request.headers;
      seen = { host, agent, url: request.url, method: request.method };
      response.end();
    });
    await askHttp(app.port, 'main.pool.dev', NEVER);
    expect(seen).toEqual({
      host: 'main.pool.dev',
      agent: 'pool (is it ready?)',
      url: '/',
      method: 'GET',
    });
  });

  it('does not wait for the end of a long answer', async () => {
    await using app = await httpServer((_, response) => response.write('x'.repeat(1000)));
    expect(await askHttp(app.port, 'x', NEVER)).toBe(200);
  });

  it('takes a connection that is accepted and closed for no answer', async () => {
    await using relay = await tcpServer((socket) => socket.destroy());
    expect(await askHttp(relay.port, 'x', NEVER)).toBeUndefined();
  });

  it('takes what is no HTTP for no answer', async () => {
    await using other = await tcpServer((socket) => socket.end('SSH-2.0-x\r\n'));
    expect(await askHttp(other.port, 'x', NEVER)).toBeUndefined();
  });

  it('takes nobody for no answer', async () => {
    expect(await askHttp(1, 'x', NEVER)).toBeUndefined();
  });

  it('ends with its signal', async () => {
    await using silent = await tcpServer(() => {});
    expect(await askHttp(silent.port, 'x', AbortSignal.timeout(20))).toBeUndefined();
    expect(await askHttp(silent.port, 'x', AbortSignal.abort())).toBeUndefined();
  });
});

describe('an application is ready', () => {
  it('when it answers, and not when the relay accepts', async () => {
    let asked = 0;
    await using app = await tcpServer((socket) => {
      asked += 1;
      const listens = asked > 3;
      if (!listens) socket.destroy();
      else socket.once('data', () => socket.end('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n'));
    });
    expect(await ready(app.port)).toEqual({ error: undefined, lines: [] });
    expect(asked).toBe(4);
  });

  it('soon after it answers', async () => {
    await using app = await httpServer((_, response) => response.end());
    const begun = Date.now();
    await ready(app.port);
    expect(Date.now() - begun).toBeLessThan(200);
  });
});

describe('an application that ends before it answers is told so, with its last lines', () => {
  it.each([
    [
      'an exit',
      { running: false, exitCode: 3, outOfMemory: false },
      /exited with code 3 before it answered/,
    ],
    [
      'want of memory',
      { running: false, exitCode: 137, outOfMemory: true },
      /ran out of its memory/,
    ],
    ['a removal', undefined, /container is gone/],
  ])('%s', async (_, vitals, message) => {
    await using relay = await tcpServer((socket) => socket.destroy());
    const { error, lines } = await ready(relay.port, { vitals: () => vitals });
    expect(error).toMatchObject({
      code: 'exited',
      message: expect.stringMatching(message) as string,
    });
    expect(lines).toEqual([LAST_LINES, 'line one', 'line two']);
  });

  it('soon, also where it accepts and never answers', async () => {
    await using silent = await tcpServer(() => {});
    const begun = Date.now();
    const { error } = await ready(silent.port, {
      vitals: () => ({ running: false, exitCode: 1, outOfMemory: false }),
    });
    expect(error).toMatchObject({ code: 'exited' });
    expect(Date.now() - begun).toBeLessThan(1500);
  });
});

it('an application that stays silent is told so, with its last lines and the rule that chose the port', async () => {
  await using relay = await tcpServer((socket) => socket.destroy());
  const { error, lines } = await ready(relay.port, { limitMs: 60 });
  expect(error).toMatchObject({
    code: 'no-answer',
    message:
      'The application runs, but did not answer HTTP on port 3000 within 0.06 s (EXPOSE 3000, the only port).',
  });
  expect(lines).toEqual([LAST_LINES, 'line one', 'line two']);
});

it('waiting ends with its signal, and blames nobody', async () => {
  await using relay = await tcpServer((socket) => socket.destroy());
  const { error, lines } = await ready(relay.port, { signal: AbortSignal.timeout(30) });
  expect(error).toMatchObject({ name: 'TimeoutError' });
  expect(lines).toEqual([]);
});
