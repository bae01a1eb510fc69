import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { connectEngine } from '../../../src/engine/connect.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';
import { httpServer, listening } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

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

describe('an engine', () => {
  it('on another machine is taken only with the address where its ports answer', async () => {
    const DOCKER_HOST = 'tcp://192.0.2.7:2375';
    await expect(connectEngine(undefined, { DOCKER_HOST })).rejects.toMatchObject({
      message: expect.stringContaining('is on another machine'),
      next: expect.stringMatching(/Set publishOn .*, other previews included, reaches/),
    });
  });

  it.each([
    ['ssh://host', /over ssh/, /ssh -N -L .* publishOn/],
    ['http://host', /no address of an engine/, /tcp:\/\/<host>:2375/],
    ['tcp://', /no address of an engine/, /unix:/],
    ['/run/docker.sock', /no address of an engine/, /unix:/],
  ])('at %s is refused in words', async (host, message, next) => {
    await expect(connectEngine(host, {}, '192.0.2.7')).rejects.toMatchObject({
      message: expect.stringMatching(message),
      next: expect.stringMatching(next),
    });
  });

  it('is asked over TLS, with the certificates of DOCKER_CERT_PATH, where DOCKER_TLS_VERIFY is set', async () => {
    using folder = new TemporaryFolder();
    const pem = (name: string) => readFileSync(join(folder.path, `${name}.pem`));
    const openssl = (args: string) =>
      execFileSync('openssl', args.split(' '), { cwd: folder.path, stdio: 'pipe' });
    // One certificate that signs itself is authority, server and client in one.
    openssl(
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=engine -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out ca.pem',
    );
    openssl('x509 -in ca.pem -out cert.pem');
    const trust = { ca: pem('ca'), cert: pem('cert'), key: pem('key') };
    const server = createServer(
      { ...trust, requestCert: true, rejectUnauthorized: true },
      (_request, response) => response.end('{"Version":"1","Os":"linux"}'),
    );
    await using engine = await listening(server);
    const host = `tcp://127.0.0.1:${engine.port}`;
    const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder.path };
    expect(await connectEngine(host, env)).toMatchObject({ version: '1', host });
    await expect(connectEngine(host, {})).rejects.toThrow('No Docker engine answers');
    const without = { ...env, DOCKER_CERT_PATH: join(folder.path, 'none') };
    await expect(connectEngine(host, without)).rejects.toThrow('none/ca.pem');
  });
});
