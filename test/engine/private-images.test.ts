import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectEngine } from '../../src/engine/connect.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import { fresh, page } from './fixtures/applications.ts';
import { LOGIN, PrivateRegistry } from './fixtures/private-registry.ts';
import { TestPool } from './fixtures/test-pool.ts';

let registry: PrivateRegistry;
const { DOCKER_CONFIG: folder, PATH: path } = process.env;

beforeEach(async () => {
  registry = await PrivateRegistry.open(await connectEngine(undefined, process.env));
});
afterEach(async () => {
  process.env['DOCKER_CONFIG'] = folder ?? '';
  process.env['PATH'] = path;
  await registry[Symbol.asyncDispose]();
});

/** As `docker login` writes it. */
function loggedIn(password: string, host = registry.host): string {
  const auth = Buffer.from(`${LOGIN.username}:${password}`).toString('base64');
  return registry.config({ auths: { [host]: { auth } } });
}

const on = (base: string) => ({
  ...page('On a private base'),
  Dockerfile: `FROM ${base}\n${fresh('true')}\nRUN echo On a private base >index.html\nEXPOSE 3000\nCMD ["busybox", "httpd", "-f", "-p", "3000"]\n`,
});

describe.each(['buildkit', 'classic'] as const)('with the %s builder', (builder) => {
  test('a private base image is had with the login of docker login, where the operator lets builds use it', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(on(await registry.push('team/base', '1')));
    const told = {
      code: 'base-image',
      next: expect.stringContaining(`"docker login ${registry.host}"`) as string,
    };
    process.env['DOCKER_CONFIG'] = loggedIn(LOGIN.password);
    {
      await using pool = await TestPool.open([repository.path], { builder });
      expect(JSON.parse((await pool.visit(commit)).text), 'not let').toMatchObject(told);
    }
    const registries = [registry.host];
    process.env['DOCKER_CONFIG'] = loggedIn('wrong');
    await using pool = await TestPool.open([repository.path], { builder, registries });
    expect(JSON.parse((await pool.visit(commit)).text), 'wrong').toMatchObject(told);
    process.env['DOCKER_CONFIG'] = loggedIn(LOGIN.password);
    await pool.visit(commit, { path: '/_pool/retry', method: 'POST' });
    expect((await pool.visit(commit)).text).toContain('On a private base');

    const image = pool.engine.docker.getImage(`pool-${pool.instance}/web:${commit}`);
    const shown = [
      await pool.visit(commit, { path: '/_pool/' }),
      await pool.visit(commit, { path: '/_pool/log' }),
      await image.inspect(),
      await image.history(),
      pool.events,
    ];
    const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64');
    for (const secret of [LOGIN.password, auth])
      expect(JSON.stringify(shown)).not.toContain(secret);
  });

  test('a registry that a commit names is shown no login but its own', async () => {
    const heard: (string | undefined)[] = [];
    const hostile = createServer((request, response) => {
      heard.push(request.headers.authorization);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="login"' }).end();
    }).listen(0, '127.0.0.1');
    await once(hostile, 'listening');
    const host = `127.0.0.1:${(hostile.address() as AddressInfo).port}`;
    using repository = new GitRepository();
    const commit = await repository.commit(on(`${host}/team/base:1`));
    process.env['DOCKER_CONFIG'] = loggedIn(LOGIN.password);
    const registries = [registry.host];
    await using pool = await TestPool.open([repository.path], { builder, registries });
    const failure = JSON.parse((await pool.visit(commit)).text) as { code: string; next: string };
    expect(failure.code).toBe('base-image');
    expect(failure.next).toContain(host);
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.filter((authorization) => authorization !== undefined)).toEqual([]);
    hostile.close();
  });

  test('a helper is asked for the login of the one registry, and its failure is said', async () => {
    using repository = new GitRepository();
    const commit = await repository.commit(on(await registry.push('team/helped', '1')));
    const { host } = registry;
    process.env['DOCKER_CONFIG'] = registry.config({ credHelpers: { [host]: 'pool-test' } });
    await using pool = await TestPool.open([repository.path], { builder, registries: [host] });
    expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({
      code: 'registry',
      detail: expect.stringContaining('docker-credential-pool-test is not on the PATH') as string,
    });
    const { username: Username, password: Secret } = LOGIN;
    const answer = JSON.stringify({ ServerURL: host, Username, Secret });
    const script = `#!/bin/sh\nread host; [ "$1 $host" = "get ${host}" ] && echo '${answer}'\n`;
    using helper = new TemporaryFolder();
    writeFileSync(join(helper.path, 'docker-credential-pool-test'), script, { mode: 0o755 });
    process.env['PATH'] = `${helper.path}:${path}`;
    expect((await pool.visit(commit)).text).toContain('On a private base');
  });
});
