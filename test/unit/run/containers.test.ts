import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/engine/connect.ts';
import { LABEL } from '../../../src/engine/labels.ts';
import { type Allowance } from '../../../src/run/container-settings.ts';
import { Containers } from '../../../src/run/containers.ts';
import { HostPorts } from '../../../src/run/host-ports.ts';
import { BUILT, COMMIT } from '../fixtures/fake-control.ts';
import { NEVER } from '../fixtures/until.ts';

const INSTANCE = '0123456789ab';
const ALLOWANCE: Allowance = {
  publishOn: '10.0.0.5',
  memoryBytes: 1e9,
  processes: 100,
  capabilities: [],
};
const INSPECTED = {
  Id: 'c1',
  Name: `/pool-${INSTANCE}-hello-${COMMIT}`,
  State: { Running: true, ExitCode: 0, OOMKilled: false, Pid: 1 },
  Config: { Labels: { [LABEL.port]: '80', [LABEL.build]: JSON.stringify(BUILT) } },
  HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '10.0.0.5', HostPort: '20000' }] } },
};
const REQUEST = {
  image: { id: 'i1', build: BUILT },
  name: 'a',
  repository: 'hello',
  commit: COMMIT,
  environment: {},
};

const NETWORK = {
  Name: `pool-${INSTANCE}`,
  Id: 'n1',
  Labels: { [LABEL.instance]: INSTANCE },
};
const IMAGE = { inspect: async () => await Promise.resolve({ Config: {} }) };

/** The containers of an engine that answers as `docker` does. */
function containersOf(docker: object, ports = new HostPorts({ first: 20_000, last: 20_000 }, 0)) {
  return new Containers({ docker } as Engine, INSTANCE, ports, ALLOWANCE);
}

describe('the network of the previews', () => {
  it('is made for all who wait for it, also where the first of them gives up', async () => {
    const name = new Error('it came as far as the name');
    const containers = containersOf({
      listNetworks: async () => await sleep(20, [NETWORK]),
      getImage: () => IMAGE,
      getContainer: () => ({ inspect: async () => await Promise.reject(name) }),
    });
    const gives = new AbortController();
    const first = containers.start(REQUEST, gives.signal).catch((error: unknown) => error);
    const second = containers.start(REQUEST, NEVER).catch((error: unknown) => error);
    gives.abort();
    expect(await first).toMatchObject({ name: 'AbortError' });
    expect(await second).toBe(name);
  });

  it.each([
    'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network',
    'all predefined address pools have been fully subnetted',
  ])('is told to need addresses where the engine has none: %s', async (message) => {
    const refused = Object.assign(new Error(message), { statusCode: 500, json: { message } });
    const containers = containersOf({
      listNetworks: async () => await Promise.resolve([]),
      createNetwork: async () => await Promise.reject(refused),
      getImage: () => IMAGE,
    });
    await expect(containers.start(REQUEST, NEVER)).rejects.toMatchObject({
      message: expect.stringContaining('no addresses left for another network'),
      next: expect.stringContaining('docker network prune'),
    });
  });
});

describe("a container's ports", () => {
  it('are free once it is removed, also where it was just being listed', async () => {
    const ports = new HostPorts({ first: 20_000, last: 20_000 }, 0, 0);
    const gone = Object.assign(new Error('no such container'), { statusCode: 404 });
    let second = Promise.resolve<object>({ ...INSPECTED, Id: 'c2', Name: '/other' });
    const containers = containersOf(
      {
        listContainers: async () => await Promise.resolve([{ Id: 'c1' }, { Id: 'c2' }]),
        getContainer: (id: string) => ({
          inspect: async () => await (id === 'c1' ? Promise.resolve(INSPECTED) : second),
          remove: async () => await Promise.resolve(),
        }),
      },
      ports,
    );
    await containers.list();
    expect(() => ports.take(1, Date.now())).toThrow('are taken');
    const slow = Promise.withResolvers<object>();
    second = slow.promise;
    const listing = containers.list();
    await sleep(5);
    await containers.remove({ containerId: 'c1' });
    slow.reject(gone);
    await listing;
    expect(ports.take(1, Date.now())).toEqual([20_000]);
  });

  it.each([
    ['10.0.0.5', true],
    ['127.0.0.1', false],
  ])('that were published on %s while 10.0.0.5 is dialled count as reached: %s', async (on, is) => {
    const HostConfig = { PortBindings: { '80/tcp': [{ HostIp: on, HostPort: '20000' }] } };
    const containers = containersOf({
      listContainers: async () => await Promise.resolve([{ Id: 'c1' }]),
      getContainer: () => ({
        inspect: async () => await Promise.resolve({ ...INSPECTED, HostConfig }),
      }),
    });
    const [found] = await containers.list();
    expect([found?.running, found?.endpoint.host]).toEqual([is, '10.0.0.5']);
  });
});
