import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { awaitReady, exited, LAST_LINES } from '../../../src/run/await-ready.ts';
import { toPort } from '../../../src/address/label.ts';
import type { StartedContainer, Vitals } from '../../../src/run/containers.ts';
import type { Endpoint } from '../../../src/run/endpoint.ts';
import type { ListeningSocket } from '../../../src/run/listening.ts';
import { askHttp } from '../../../src/run/probe.ts';
import { endpointAt } from '../fixtures/fake-control.ts';
import { httpServer, listening, tcpServer } from '../fixtures/servers.ts';
import { NEVER, until } from '../fixtures/until.ts';

const RUNNING: Vitals = { running: true, exitCode: 0, outOfMemory: false };

/** A container that lives as `vitals` says, and whose last lines are two. */
function container(vitals: () => Vitals | undefined, sockets: () => ListeningSocket[] | undefined) {
  return {
    vitals: async () => await Promise.resolve(vitals()),
    lastLines: async () => await Promise.resolve(['line one', 'line two']),
    listening: async () => await Promise.resolve(sockets()),
  };
}

/** A container as `start` returns it; its second make is noted, and publishes `more`. */
function started(endpoint: Endpoint, more: Record<number, number>, found: number[][]) {
  const made: StartedContainer = {
    endpoint,
    keep: () => {},
    again: async (ports) => {
      found.push([...ports]);
      const [port = endpoint.port] = ports;
      const published = { ...endpoint.published, ...more };
      return await Promise.resolve({ ...endpoint, port, published, portRule: 'found' });
    },
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  };
  return made;
}

const local = (port: number) => ({ host: '127.0.0.1', port });

const listens = (port: number, address = '0.0.0.0'): ListeningSocket => ({
  address,
  port: toPort(String(port)) ?? expect.fail(),
  loopback: address.startsWith('127.'),
});

async function ready(
  port: number,
  {
    vitals = (): Vitals | undefined => RUNNING,
    sockets = (): ListeningSocket[] | undefined => [],
    more = {},
    guessed = false,
    adopted = false,
    limitMs = 2000,
    signal = NEVER,
    declared = {},
    beside = {},
  } = {},
) {
  const lines: string[] = [];
  const found: number[][] = [];
  const endpoint = { ...endpointAt(port, beside), guessed };
  const { again, ...held } = started(endpoint, more, found);
  const outcome = await awaitReady(
    container(vitals, sockets),
    adopted || again === undefined ? held : { ...held, again },
    'main.pool.dev',
    (told) => lines.push(...told),
    limitMs,
    signal,
    declared,
  ).then(
    (answering) => ({ answering, error: undefined }),
    (error: unknown) => ({ answering: undefined, error }),
  );
  return { ...outcome, lines, found };
}

describe('a probe', () => {
  it.each([200, 204, 301, 401, 404, 500, 503])('takes %i for an answer', async (status) => {
    await using app = await httpServer((_, response) => response.writeHead(status).end());
    expect(await askHttp(local(app.port), 'x', NEVER)).toEqual({ status, protocol: 'http' });
  });

  it('asks as a visitor would: by name, at the top, and says who it is', async () => {
    let seen: unknown;
    await using app = await httpServer((request, response) => {
      const { host, 'user-agent': agent } = request.headers;
      seen = { host, agent, url: request.url, method: request.method };
      response.end();
    });
    await askHttp(local(app.port), 'main.pool.dev', NEVER);
    expect(seen).toEqual({
      host: 'main.pool.dev',
      agent: 'pool (is it ready?)',
      url: '/',
      method: 'GET',
    });
  });

  it('does not wait for the end of a long answer', async () => {
    await using app = await httpServer((_, response) => response.write('x'.repeat(1000)));
    expect(await askHttp(local(app.port), 'x', NEVER)).toMatchObject({ status: 200 });
  });

  it('takes a connection that is accepted and closed for no answer', async () => {
    await using relay = await tcpServer((socket) => socket.destroy());
    expect(await askHttp(local(relay.port), 'x', NEVER)).toBeUndefined();
  });

  it('takes what is no HTTP for no answer', async () => {
    await using other = await tcpServer((socket) => socket.end('SSH-2.0-x\r\n'));
    expect(await askHttp(local(other.port), 'x', NEVER)).toBeUndefined();
  });

  it('asks one that speaks no HTTP/1.1 by HTTP/2 with prior knowledge', async () => {
    const seen: unknown[] = [];
    const server = createHttp2Server((request, response) => {
      seen.push([request.method, request.url, request.authority]);
      response.writeHead(404).end();
    });
    await using app = await listening(server);
    expect(await askHttp(local(app.port), 'main.pool.dev', NEVER)).toEqual({
      status: 404,
      protocol: 'h2c',
    });
    expect(seen).toEqual([['GET', '/', 'main.pool.dev']]);
    expect((await ready(app.port)).answering?.protocol).toBe('h2c');
    expect((await ready(app.port, { adopted: true })).answering?.protocol).toBe('h2c');
    await until('nothing is left open', () => app.open.size === 0);
  });

  it('believes one that speaks both to speak HTTP/1.1, whichever it answered first', async () => {
    const http1 = createServer((_, response) => response.end());
    const http2 = createHttp2Server((_, response) => response.end());
    let connections = 0;
    await using app = await tcpServer((socket) => {
      connections += 1;
      if (connections === 1) socket.destroy();
      else (connections === 2 ? http2 : http1).emit('connection', socket);
    });
    expect(await askHttp(local(app.port), 'x', NEVER)).toEqual({ status: 200, protocol: 'http' });
  });

  it('asks by the protocol that is declared, and by no other', async () => {
    let connections = 0;
    const server = createHttp2Server((_, response) => response.writeHead(204).end());
    server.on('connection', () => (connections += 1));
    await using app = await listening(server);
    expect(await askHttp(local(app.port), 'x', NEVER, { protocol: 'h2c' })).toEqual({
      status: 204,
      protocol: 'h2c',
    });
    expect(connections).toBe(1);
    expect(await askHttp(local(app.port), 'x', NEVER, { protocol: 'http' })).toBeUndefined();
    expect(connections).toBe(2);
  });

  it('takes nobody for no answer', async () => {
    expect(await askHttp(local(1), 'x', NEVER)).toBeUndefined();
  });

  it('ends with its signal', async () => {
    await using silent = await tcpServer(() => {});
    expect(await askHttp(local(silent.port), 'x', AbortSignal.timeout(20))).toBeUndefined();
    expect(await askHttp(local(silent.port), 'x', AbortSignal.abort())).toBeUndefined();
  });
});

describe('an application is ready', () => {
  it('on its likeliest port, where another began to answer in the same moment', async () => {
    let begun = false;
    await using other = await httpServer((_, response) => {
      begun = true;
      response.end();
    });
    await using relay = await tcpServer((socket) => {
      if (!begun) socket.destroy();
      else socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    });
    const { answering } = await ready(relay.port, { beside: { 9000: other.port } });
    expect(answering).toMatchObject({ port: 3000, portRule: 'EXPOSE 3000, the only port' });
  });

  it.each([200, 302, 399])('when its health path answers %i', async (status) => {
    await using app = await httpServer((_, response) => response.writeHead(status).end());
    const { answering } = await ready(app.port, { declared: { health: '/up' } });
    expect(answering).toMatchObject({ port: 3000 });
  });

  it.each([404, 503])('not while its health path answers %i', async (status) => {
    await using app = await httpServer((request, response) => {
      response.writeHead(request.url === '/up' ? status : 200).end();
    });
    const { error } = await ready(app.port, { declared: { health: '/up' }, limitMs: 150 });
    expect(error).toMatchObject({
      code: 'no-answer',
      message: expect.stringContaining(`answered ${status} to GET /up on port 3000`),
    });
  });

  it('when it answers, and not when the relay accepts', async () => {
    let asked = 0;
    await using app = await tcpServer((socket) => {
      asked += 1;
      // Each question is asked twice, by HTTP/1.1 and by HTTP/2.
      const awake = asked > 6;
      if (!awake) socket.destroy();
      else socket.once('data', () => socket.end('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n'));
    });
    expect(await ready(app.port)).toMatchObject({ error: undefined, lines: [] });
    expect(asked).toBe(7);
  });

  it('soon after it answers', async () => {
    await using app = await httpServer((_, response) => response.end());
    const begun = Date.now();
    await ready(app.port);
    expect(Date.now() - begun, 'other ports are tried after a second').toBeLessThan(900);
  });
});

describe('an application that ends before it answers is told so, with its last lines', () => {
  it.each([
    [
      'an exit',
      { running: false, exitCode: 3, outOfMemory: false },
      /exited with code 3 before it answered; it said: line two\.$/,
    ],
    [
      'want of memory',
      { running: false, exitCode: 137, outOfMemory: true },
      /ran out of the memory/,
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

  it.each([
    [0, ['bye'], /A Dockerfile without CMD and ENTRYPOINT runs what its base image does/],
    [
      1,
      ['Error: connect ECONNREFUSED 127.0.0.1:5432'],
      /another service, which pool does not start/,
    ],
    [1, ['redis.exceptions.ConnectionError: getaddrinfo ENOTFOUND db'], /another service/],
    [1, ['pq: could not connect to server: Connection refused'], /another service/],
    [1, ['Error: DATABASE_URL is not set'], /"env"/],
    [1, ['The environment variable API_KEY must be set'], /"env"/],
    [1, ["KeyError: 'SECRET_KEY'"], /"env"/],
    [1, ['TypeError: x is not a function'], /in a new commit/],
  ])('an exit with code %d and %j leads to the next step', (exitCode, said, next) => {
    const vitals = { running: false, exitCode, outOfMemory: false };
    expect(exited(vitals, 'before it answered', said).next).toMatch(next);
  });

  it('and is not told of a missing CMD once it was ready', () => {
    const vitals = { running: false, exitCode: 0, outOfMemory: false };
    expect(exited(vitals, 'after it was ready', ['bye']).next).not.toContain('CMD');
  });

  it('in no time to speak of, whatever it wrote', () => {
    const begun = process.cpuUsage();
    for (const word of ['A_A ', 'KeyError: ', 'error', 'is not ', 'npm ERR! '])
      exited(
        { running: false, exitCode: 1, outOfMemory: false },
        'before it answered',
        Array.from({ length: 40 }, () => word.repeat(16_384 / word.length)),
      );
    expect(process.cpuUsage(begun).user / 1000).toBeLessThan(1000);
  });

  it('soon, also where it accepts and never answers', async () => {
    await using silent = await tcpServer(() => {});
    const begun = Date.now();
    const { error } = await ready(silent.port, {
      vitals: () => ({ running: false, exitCode: 1, outOfMemory: false }),
    });
    expect(error).toMatchObject({ code: 'exited' });
    expect(Date.now() - begun, 'half of what an answer may take').toBeLessThan(5000);
  });
});

it('an application that stays silent is told so, with its last lines and the rule that chose the port', async () => {
  await using relay = await tcpServer((socket) => socket.destroy());
  const { error, lines } = await ready(relay.port, { limitMs: 60 });
  expect(error).toMatchObject({
    code: 'no-answer',
    message:
      'The application runs, but did not answer HTTP on port 3000 within 0.06 s (EXPOSE 3000, the only port). It listens on no port at all.',
  });
  expect(lines).toEqual([LAST_LINES, 'line one', 'line two']);
});

it('waiting ends with its signal, and blames nobody', async () => {
  await using relay = await tcpServer((socket) => socket.destroy());
  const { error, lines } = await ready(relay.port, { signal: AbortSignal.timeout(30) });
  expect(error).toMatchObject({ name: 'TimeoutError' });
  expect(lines).toEqual([]);
});

describe('an image that names no port', () => {
  it('is started once more, with the port on which it was found listening', async () => {
    await using relay = await tcpServer((socket) => socket.destroy());
    await using app = await httpServer((_, response) => response.end());
    const { answering, lines, found } = await ready(relay.port, {
      guessed: true,
      sockets: () => [listens(4567), listens(9, '127.0.0.1')],
      more: { 4567: app.port },
    });
    expect(answering).toMatchObject({ port: 4567, portRule: 'found' });
    expect(found).toEqual([[4567]]);
    expect(lines).toEqual([
      'pool: It listens on 4567, so its container is made once more, with that port.',
    ]);
  });

  it('is started once more only once', async () => {
    await using relay = await tcpServer((socket) => socket.destroy());
    const { error, found } = await ready(relay.port, {
      guessed: true,
      limitMs: 1600,
      sockets: () => [listens(4567)],
      more: { 4567: relay.port },
    });
    expect(error).toMatchObject({ code: 'no-answer' });
    expect(found).toEqual([[4567]]);
  });

  it('is given time where a published port listens as well', async () => {
    await using slow = await httpServer((_, response) => setTimeout(() => response.end(), 1500));
    const { answering, found } = await ready(slow.port, {
      guessed: true,
      sockets: () => [listens(3000), listens(9229)],
    });
    expect([answering?.port, found]).toEqual([3000, []]);
  });

  it('and whose container an earlier process left is made anew by the next visit', async () => {
    await using relay = await tcpServer((socket) => socket.destroy());
    const { error } = await ready(relay.port, {
      guessed: true,
      adopted: true,
      sockets: () => [listens(4567)],
    });
    expect(error).toMatchObject({
      code: 'cancelled',
      message: expect.stringContaining('4567') as string,
    });
  });
});

describe('an application that stays silent is told where it listens', () => {
  it.each([
    ['cannot be read', undefined, 'Where it listens cannot be read from this machine.'],
    ['on loopback', [listens(3000, '127.0.0.1')], 'It listens on 127.0.0.1:3000 only.'],
    ['elsewhere', [listens(4567)], 'It listens on 4567, which the image does not EXPOSE.'],
    ['without HTTP', [listens(3000)], 'It listens on 3000, and answers no HTTP there.'],
  ])('%s', async (_, sockets, words) => {
    await using relay = await tcpServer((socket) => socket.destroy());
    const { error } = await ready(relay.port, { limitMs: 60, sockets: () => sockets });
    expect(error).toMatchObject({ message: expect.stringMatching(`\\(EXPOSE.*\\). ${words}`) });
  });

  it.each([
    ['on loopback alone', [listens(3000, '127.0.0.1')], 'It listens on 127.0.0.1:3000 only.'],
    ['elsewhere', [listens(4567)], 'It listens on 4567, which the image does not EXPOSE.'],
  ])('%s: at once, in the log', async (_, sockets, words) => {
    await using relay = await tcpServer((socket) => socket.destroy());
    const { lines } = await ready(relay.port, { limitMs: 1800, sockets: () => sockets });
    expect(lines).toEqual([`pool: ${words}`, LAST_LINES, 'line one', 'line two']);
  });
});

const unhealthy = (): Vitals => ({
  ...RUNNING,
  health: { status: 'unhealthy', output: 'no database' },
});

describe('a HEALTHCHECK', () => {
  it('that turns unhealthy before the first answer fails the preview, with its last words', async () => {
    await using relay = await tcpServer((socket) => socket.destroy());
    const { error, lines } = await ready(relay.port, { vitals: unhealthy });
    expect(error).toMatchObject({
      code: 'unhealthy',
      message: expect.stringMatching(/HEALTHCHECK .* it said: no database\.$/) as string,
    });
    expect(lines).toEqual([LAST_LINES, 'line one', 'line two']);
  });

  it('that waits still holds nothing up', async () => {
    await using app = await httpServer((_, response) => response.end());
    const starting = { ...RUNNING, health: { status: 'starting', output: '' } as const };
    expect((await ready(app.port, { vitals: () => starting })).error).toBeUndefined();
  });

  it('is not held against an application that an earlier process found ready', async () => {
    await using slow = await httpServer((_, response) => setTimeout(() => response.end(), 500));
    const { answering } = await ready(slow.port, { vitals: unhealthy, adopted: true });
    expect(answering?.port).toBe(3000);
  });
});
