import { expect, test } from 'vitest';
import { node } from './fixtures/applications.ts';
import { sharedPool } from './fixtures/shared-pool.ts';

/** Tries to connect to what `?host&port` name, and tells what it is itself. */
const PROBE = `
const net = require('node:net');
const http = require('node:http');
const { networkInterfaces } = require('node:os');
const { readFileSync } = require('node:fs');
http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://here');
  if (pathname === '/address') {
    return response.end(Object.values(networkInterfaces()).flat().find((one) => !one.internal && one.family === 'IPv4').address);
  }
  if (pathname === '/status') return response.end(readFileSync('/proc/self/status'));
  const socket = net.connect({ host: searchParams.get('host'), port: Number(searchParams.get('port')), timeout: 1500 });
  socket.once('connect', () => response.end('reached')).once('timeout', () => response.end('silence'));
  socket.once('error', (error) => response.end(error.code));
  response.once('close', () => socket.destroy());
}).listen(3000);
`;

/** The same application twice, in a container each. */
const shared = sharedPool({ one: node(PROBE), two: node(PROBE) });

test('previews do not reach one another, neither directly nor through the gateway', async () => {
  const { pool, commits } = shared;
  const { one, two } = commits;
  await Promise.all([pool.visit(one, { path: '/address' }), pool.visit(two, { path: '/address' })]);
  const address = (await pool.visit(two, { path: '/address' })).text;
  const { state } = await pool.state(two);
  const hostPort = state.endpoint?.published['3000'] ?? 0;

  const reach = async (host: string, port: number) =>
    (await pool.visit(one, { path: `/reach?host=${host}&port=${port}` })).text;
  expect(await reach('127.0.0.1', 3000), 'the probe itself works').toBe('reached');
  expect(await reach(address, 3000)).not.toBe('reached');
  expect(await reach(gatewayOf(address), hostPort)).not.toBe('reached');
  expect(await reach(gatewayOf(address), pool.port), 'pool itself').not.toBe('reached');
});

test('a preview is published on loopback only, with the capabilities of a web server and no more', async () => {
  const { pool, commits } = shared;
  const commit = commits.one;
  const { text } = await pool.visit(commit, { path: '/status' });
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(text)?.[1];
  // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE
  expect(BigInt(`0x${field('CapBnd')}`)).toBe(0b100_1111_1011n);
  expect(field('NoNewPrivs')).toBe('1');

  const { state } = await pool.state(commit);
  const id = state.endpoint?.containerId ?? '';
  const { HostConfig, NetworkSettings } = await pool.engine.docker.getContainer(id).inspect();
  expect(HostConfig.PortBindings['3000/tcp']).toEqual([
    { HostIp: '127.0.0.1', HostPort: expect.stringMatching(/^2[0-9]{4}$/) },
  ]);
  expect(HostConfig.Memory).toBe(1024 ** 3);
  expect(HostConfig.PidsLimit).toBe(512);
  const [network = '', ...others] = Object.keys(NetworkSettings.Networks);
  expect(others).toEqual([]);
  const { Options } = await pool.engine.docker.getNetwork(network).inspect();
  expect(Options).toMatchObject({ 'com.docker.network.bridge.enable_icc': 'false' });
});

function gatewayOf(address: string): string {
  return address.replace(/[0-9]+$/, '1');
}
