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
import { PoolProcess } from './fixtures/pool-process.ts';
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
    const other = await repository.commit(page('Needs no login', [fresh('true')]));
    const { host } = registry;
    process.env['DOCKER_CONFIG'] = registry.config({ credHelpers: { [host]: 'pool-test' } });
    await using pool = await TestPool.open([repository.path], { builder, registries: [host] });
    expect(JSON.parse((await pool.visit(commit)).text)).toMatchObject({
      code: 'registry',
      detail: expect.stringContaining('docker-credential-pool-test is not on the PATH') as string,
    });
    expect((await pool.visit(other)).text, 'others are built').toContain('Needs no login');
    const { username: Username, password: Secret } = LOGIN;
    const answer = JSON.stringify({ ServerURL: host, Username, Secret });
    const script = `#!/bin/sh\nread host; [ "$1 $host" = "get ${host}" ] && echo '${answer}'\n`;
    using helper = new TemporaryFolder();
    writeFileSync(join(helper.path, 'docker-credential-pool-test'), script, { mode: 0o755 });
    process.env['PATH'] = `${helper.path}:${path}`;
    expect((await pool.visit(commit)).text).toContain('On a private base');
  });
});

describe.each(['buildkit', 'classic'] as const)(
  'an image that CI made, with the %s builder,',
  (builder) => {
    test("is pulled where its registry has it, found by pool's own name afterwards, and built where there is none", async () => {
      using repository = new GitRepository();
      const made = await repository.commit(page('built'));
      const other = await repository.commit(page('built'));
      const later = await repository.commit(page('built'));
      const reference = await registry.pushApplication('team/shop', made, 'made-by-ci');
      process.env['DOCKER_CONFIG'] = loggedIn(LOGIN.password);
      const image = `${registry.host}/team/{repository}:{commit}`;
      const repositories = [{ name: 'shop', url: repository.path, image }];
      await using pool = await TestPool.open([], { builder, repositories });
      const run = async (...args: string[]) =>
        await PoolProcess.run([...args, '--data-dir', pool.dataDir]);

      expect((await pool.visit(made)).text).toContain('made-by-ci');
      const shown = await pool.visit(made, { path: '/_pool/', headers: { accept: 'text/html' } });
      expect(shown.text).toContain(`pulled as ${reference}`);
      expect((await pool.visit(made, { path: '/_pool/log' })).text).toMatch(/[0-9a-f]{12}: /);
      const named = pool.engine.docker.getImage(reference).inspect();
      await expect(named, 'its own name is taken from it').rejects.toThrow('No such image');

      expect((await pool.visit(other)).text).toContain('built');
      const built = await pool.visit(other, { path: '/_pool/', headers: { accept: 'text/html' } });
      expect(built.text).toContain(
        `there is no image ${image.replace('{repository}', 'shop').replace('{commit}', other)}`,
      );

      await registry.pushApplication('team/shop', made, 'made-again');
      expect((await run('rebuild', made)).code).toBe(0);
      expect((await pool.visit(made)).text, 'a rebuild pulls again').toContain('made-again');
      await registry.stop();
      const failed = await run('rebuild', made);
      expect(failed.errors).toContain(`The image ${reference} cannot be pulled`);
      expect((await pool.visit(later)).text).toContain('"code": "registry"');
      expect(await pool.state(later)).toMatchObject({ state: { failure: { ours: true } } });
      await run('stop', made);
      expect((await pool.visit(made)).text, 'nothing is pulled twice').toContain('made-again');

      const [, repo = '', tag = ''] = /^(.*):(.*)$/.exec(reference) ?? [];
      const own = pool.engine.docker.getImage(`pool-${pool.instance}/shop:${made}`);
      await own.tag({ repo, tag });
      expect((await run('rebuild', made, '--no-pull')).code, 'no registry is asked').toBe(0);
      expect((await pool.visit(made)).text, 'what the engine has').toContain('made-again');
      await pool.engine.docker.getImage(reference).remove();
      expect((await run('rebuild', made, '--no-pull')).code).toBe(0);
      expect((await pool.visit(made)).text).toContain('built');
      const why = await pool.visit(made, { path: '/_pool/', headers: { accept: 'text/html' } });
      expect(why.text).toContain(`for there is no image ${reference} in this engine`);

      for (const commit of [made, other]) expect((await run('rm', commit)).code).toBe(0);
      const filters = { label: [`dev.pool.instance=${pool.instance}`] };
      expect(await pool.engine.docker.listImages({ filters })).toEqual([]);
    });

    test('is not pulled without a right to it, and nothing is built instead; nor is one for other machines', async () => {
      using repository = new GitRepository();
      const commit = await repository.commit(page('built'));
      const strange = await repository.commit(page('built'));
      await registry.pushApplication('shop', commit.slice(0, 7), 'made-by-ci');
      await registry.pushForOtherMachines('shop', strange.slice(0, 7));
      process.env['DOCKER_CONFIG'] = loggedIn('wrong');
      const image = `${registry.host}/shop:{short}`;
      const repositories = [{ name: 'shop', url: repository.path, image }];
      await using pool = await TestPool.open([], { builder, repositories });
      const refused = JSON.parse((await pool.visit(commit)).text) as { code: string; next: string };
      expect(refused.code).toBe('registry');
      expect(refused.next).toContain(`docker login ${registry.host}`);
      const credHelpers = { [registry.host]: 'pool-gone' };
      process.env['DOCKER_CONFIG'] = registry.config({ credHelpers });
      const helper = 'docker-credential-pool-gone is not on the PATH';
      expect((await pool.visit(commit)).text, 'nobody was asked who asks').toContain(helper);
      process.env['DOCKER_CONFIG'] = loggedIn(LOGIN.password);
      expect((await pool.visit(commit)).text, 'the next visit asks again').toContain('made-by-ci');
      const other = JSON.parse((await pool.visit(strange)).text) as { detail: string };
      expect(other.detail).toContain(
        `it is for linux/s390x, and this engine runs ${pool.engine.platform}`,
      );
      expect(await pool.containers()).toHaveLength(1);
    });
  },
);
