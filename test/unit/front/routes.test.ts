import { Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import type { Address } from '../../../src/address/host.ts';
import { Places } from '../../../src/front/places.ts';
import { Upstream } from '../../../src/front/upstream.ts';
import type { Listener } from '../../../src/front/sending.ts';
import { Routes } from '../../../src/front/routes.ts';
import type { PreviewId } from '../../../src/preview/preview.ts';
import { COMMIT, endpointAt, ID } from '../fixtures/fake-control.ts';
import { HOST, openReadyFront } from '../fixtures/front.ts';
import { httpServer, RawClient } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const address = (label: string) => ({ label, ref: label, site: 'pool.dev' }) as Address;
const route = (generation: number, hostPort: number, more: Record<number, number> = {}) => ({
  preview: ID,
  commit: COMMIT,
  endpoint: endpointAt(hostPort, more),
  generation,
});
const portOf = (routes: Routes) => routes.of(ID)?.route.endpoint.published[3000];

describe('a route', () => {
  it('is found by an address that is remembered, until its moment', () => {
    const routes = new Routes();
    routes.publish(route(1, 20_000));
    routes.remember(address('main'), ID, 1000);
    expect(routes.find(address('main'), 999)?.route.commit).toBe(COMMIT);
    expect(routes.find(address('main'), 1000)?.route.commit).toBe(COMMIT);
    expect(routes.find(address('main'), 1001)).toBeUndefined();
    expect(routes.find(address('other'), 0)).toBeUndefined();
  });

  it('of a full id is found for ever', () => {
    const routes = new Routes();
    routes.publish(route(1, 20_000));
    routes.remember(address(COMMIT), ID, Infinity);
    expect(routes.find(address(COMMIT), Number.MAX_SAFE_INTEGER)).toBeDefined();
  });

  it('is replaced by a later generation only', () => {
    const routes = new Routes();
    routes.publish(route(2, 20_002));
    routes.publish(route(1, 20_001));
    routes.publish(route(2, 20_009));
    expect(portOf(routes)).toBe(20_002);
    routes.publish(route(3, 20_003));
    expect(portOf(routes)).toBe(20_003);
  });

  it('is gone when it is withdrawn, though its address is remembered', () => {
    const routes = new Routes();
    routes.publish(route(1, 20_000));
    routes.remember(address('main'), ID, Infinity);
    routes.withdraw(ID);
    routes.withdraw(ID);
    routes.withdraw('nothing' as PreviewId);
    expect(routes.find(address('main'), 0)).toBeUndefined();
    expect(routes.of(ID)).toBeUndefined();
  });

  it('that was withdrawn does not come back by a late word of it', () => {
    const routes = new Routes();
    routes.publish(route(2, 20_002));
    routes.withdraw(ID);
    routes.publish(route(1, 20_001));
    routes.publish(route(2, 20_002));
    expect(routes.of(ID)).toBeUndefined();
    routes.publish(route(3, 20_003));
    expect(portOf(routes)).toBe(20_003);
  });

  it('has an upstream for each published port', () => {
    const routes = new Routes();
    routes.publish(route(1, 20_000, { 9229: 20_001 }));
    const upstreams = routes.of(ID)?.upstreams;
    expect(upstreams?.get(3000)?.address).toEqual({ host: '127.0.0.1', port: 20_000 });
    expect(upstreams?.get(9229)?.address).toEqual({ host: '127.0.0.1', port: 20_001 });
    expect(upstreams?.get(20_000)).toBeUndefined();
  });

  it('speaks on its own port what the application was heard to speak, and HTTP/1.1 on the others', () => {
    const routes = new Routes();
    const { endpoint, ...rest } = route(1, 20_000, { 9229: 20_001 });
    routes.publish({ ...rest, endpoint: { ...endpoint, protocol: 'h2c' } });
    const upstreams = routes.of(ID)?.upstreams;
    expect(upstreams?.get(3000)?.protocol).toBe('h2c');
    expect(upstreams?.get(9229)?.protocol).toBe('http');
  });

  it('ends its idle and its busy connections with itself', async () => {
    await using server = await httpServer((request, response) => {
      if (request.url === '/slow') response.write('…');
      else response.end('done');
    });
    const routes = new Routes();
    routes.publish(route(1, server.port));
    const upstream = routes.of(ID)?.upstreams.get(3000);
    for (const path of ['/slow', '/slow', '/']) {
      upstream?.send({ method: 'GET', path, headers: ['Host', 'x'], hasBody: false }, DEAF);
    }
    await until('all are connected', () => server.open.size === 3);
    routes.publish(route(2, server.port));
    await until('all are gone', () => server.open.size === 0);
    expect(server.open.size).toBe(0);
  });
});

/** Hears nothing of what becomes of a request. */
const DEAF: Listener = {
  onInterim() {},
  onAnswer() {},
  onData: () => false,
  onEnd() {},
  onFailure() {},
  onClose() {},
};

it('ten thousand spellings are remembered, and the oldest is forgotten first', () => {
  const routes = new Routes();
  routes.publish(route(1, 20_000));
  for (let index = 0; index <= 10_000; index++) {
    routes.remember(address(`a${index}`), ID, Infinity);
  }
  expect(routes.find(address('a0'), 0)).toBeUndefined();
  expect(routes.find(address('a1'), 0)).toBeDefined();
  expect(routes.find(address('a10000'), 0)).toBeDefined();
});

it('requests and handshakes that stood in line go nowhere once their route is gone', async () => {
  const seen: (string | undefined)[] = [];
  await using app = await httpServer((request) => seen.push(request.url));
  await using front = await openReadyFront(app.port, {}, { limits: { connections: 1 } });
  const take = vi.spyOn(Places.prototype, 'take');
  const ask = (path: string, ...headers: string[]) =>
    new RawClient(front.port).send(`GET ${path} HTTP/1.1`, `Host: ${HOST}`, ...headers);
  using busy = ask('/busy');
  await until('the only connection is taken', () => seen.length === 1);
  using plain = ask('/plain');
  using handshake = ask('/live', 'Connection: Upgrade', 'Upgrade: websocket');
  await until('both stand in line', () => take.mock.calls.length === 2);
  take.mockRestore();
  front.routes.withdraw(ID);
  await until('all are answered', () =>
    [busy, plain, handshake].every(({ text }) => text.includes(' 502 ')),
  );
  expect([seen, app.open.size]).toEqual([['/busy'], 0]);
});

describe('an upstream whose route is gone', () => {
  it('ends what is still tied to it', () => {
    const upstream = new Upstream({ host: '127.0.0.1', port: 1 });
    upstream[Symbol.dispose]();
    const socket = new Socket();
    upstream.hold(socket);
    expect(socket.destroyed).toBe(true);
  });
});
