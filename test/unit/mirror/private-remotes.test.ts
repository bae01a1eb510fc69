import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chown, symlink } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toRepositoryName } from '../../../src/address/label.ts';
import { Mirror, PATIENCE, troubleWith } from '../../../src/mirror/mirror.ts';
import type { Access } from '../../../src/mirror/remote-access.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import {
  behindToken,
  type Certificate,
  gitBackend,
  httpsUrl,
  knownHost,
  makeCertificate,
  makeKey,
  processesWith,
  sshServer,
  tlsServer,
  TOKEN,
} from '../fixtures/remotes.ts';
import { type Listening, tcpServer } from '../fixtures/servers.ts';
import { NEVER, until } from '../fixtures/until.ts';

const NAME = toRepositoryName('shop') ?? expect.fail();

/** Each fetch is a dozen processes: seconds, where the machine builds as well. */
const BUSY = { timeout: 30_000 };

async function open(url: string, parent: string, access: Access, patience = PATIENCE) {
  return await Mirror.open({ name: NAME, url, access }, parent, NEVER, patience);
}

/** All that lies in a folder, in one text. */
function allIn(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'))
    .join('\n');
}

/** A host of one repository with a commit, and the folders that go with it. */
class Host implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly remote = this.#stack.use(new GitRepository());
  readonly folder = this.#stack.use(new TemporaryFolder());
  readonly mirrors = this.#stack.use(new TemporaryFolder());
  readonly certificate: Certificate = makeCertificate(this.folder.path);
  readonly tokenFile = join(this.folder.path, 'token');
  server!: Listening;

  static async start(answer?: RequestListener): Promise<Host> {
    const host = new Host();
    await host.remote.commit({ a: '1' });
    writeFileSync(host.tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    host.server = await tlsServer(host.certificate, answer ?? host.backend());
    host.#stack.use(host.server);
    return host;
  }

  backend(): RequestListener {
    return behindToken(gitBackend(this.remote.path));
  }

  get url(): string {
    return httpsUrl(this.server, this.remote.path);
  }

  async open(access: Access = {}, patience = PATIENCE): Promise<Mirror> {
    const { caFile } = this.certificate;
    return await open(this.url, this.mirrors.path, { caFile, ...access }, patience);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

describe('an https repository', BUSY, () => {
  it('is fetched with the token of a file, which is left on no disk of pool', async () => {
    await using host = await Host.start();
    const { tokenFile } = host;
    const mirror = await host.open({ tokenFile });
    expect(mirror.table.find('main')).toMatchObject({ commit: host.remote.id('HEAD') });
    expect(allIn(host.mirrors.path)).not.toContain(TOKEN);

    writeFileSync(tokenFile, 'expired');
    await mirror.refresh(NEVER);
    expect(mirror.problem).toContain('does not take the token');
    writeFileSync(tokenFile, TOKEN);
    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeUndefined();
  });

  it('says what is wrong with the credentials, and never what they are', async () => {
    await using host = await Host.start();
    const opened = async (access: Access) => (await host.open(access)).problem;
    expect(await opened({})).toContain('asks for a password');
    expect(await opened({ caFile: undefined })).toContain('name the certificate of its authority');
    expect(await opened({ tokenFile: '/nowhere/else' })).toContain(
      'the file that "tokenFile" names cannot be read (ENOENT)',
    );
    expect(await opened({ tokenEnv: 'POOL_TEST_NO_SUCH' })).toContain(
      'the variable that "tokenEnv" names is not set',
    );
    writeFileSync(host.tokenFile, `${TOKEN}-wrong`);
    expect(await opened({ tokenFile: host.tokenFile })).toMatch(
      /does not take the token(?!.*hunter2)/,
    );
  });

  it('shows the token in no process but git itself while it is fetched', async () => {
    await using host = await Host.start();
    const backend = host.backend();
    const hanging: RequestListener = (request, response) => {
      if (request.method === 'GET') backend(request, response);
      else if (request.headers.authorization === undefined) backend(request, response);
    };
    await using server = await tlsServer(host.certificate, hanging);
    const { caFile } = host.certificate;
    const patience = { ...PATIENCE, firstMs: 10, silenceMs: 2000 };
    const url = httpsUrl(server, host.remote.path);
    process.env['POOL_TEST_TOKEN'] = TOKEN;
    for (const access of [{ tokenFile: host.tokenFile }, { tokenEnv: 'POOL_TEST_TOKEN' }]) {
      using mirrors = new TemporaryFolder();
      const mark = `POOL_MIRRORS=${mirrors.path}`;
      const leaving = new AbortController();
      const wanted = { name: NAME, url, access: { caFile, ...access } };
      const mirror = await Mirror.open(wanted, mirrors.path, leaving.signal, patience);
      await until('it hangs', () => server.open.size > 0 && processesWith(mark).length > 2);
      const found = processesWith(mark);
      const told = found.map(({ name, commandLine }) => `${name} ${commandLine}`).join('\n');
      expect(told).toContain('git-remote-https');
      expect(told).not.toContain(TOKEN);
      const knowing = found.filter(({ environment }) => environment.includes(TOKEN));
      expect(knowing.every(({ name }) => 'tokenEnv' in access && name.startsWith('git'))).toBe(
        true,
      );
      expect(allIn(mirrors.path)).not.toContain(TOKEN);
      leaving.abort();
      await mirror.refresh(NEVER);
      await until('nothing of it is left', () => processesWith(mark).length === 0);
    }
    delete process.env['POOL_TEST_TOKEN'];
  });

  it('is not followed where it redirects, and the token goes nowhere else', async () => {
    await using host = await Host.start();
    const asked: (string | undefined)[] = [];
    await using other = await tlsServer(host.certificate, (request, response) => {
      asked.push(request.headers.authorization);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="other"' }).end();
    });
    const away = behindToken((request, response) => {
      const location = `https://127.0.0.1:${other.port}${request.url}`;
      response.writeHead(302, { location }).end();
    });
    await using server = await tlsServer(host.certificate, away);
    const { tokenFile, certificate } = host;
    const access = { tokenFile, caFile: certificate.caFile };
    const { problem } = await open(httpsUrl(server, '/x'), host.mirrors.path, access);
    expect(problem).toContain(
      'redirects to another URL, and pool goes only where its configuration says',
    );
    expect(asked).toEqual([]);
  });

  it.each<[string, string, RequestListener]>([
    ['a page', 'something that is not Git', (_, response) => response.end('<html>Sign in</html>')],
    [
      'garbage that calls itself Git',
      'something that is not Git',
      (_, response) => {
        const type = 'application/x-git-upload-pack-advertisement';
        response.writeHead(200, { 'content-type': type }).end(Buffer.alloc(2000, 0xfe));
      },
    ],
    ['404', 'refuses it (404)', (_, response) => response.writeHead(404).end()],
    ['500', 'is in trouble (500)', (_, response) => response.writeHead(500).end()],
    [
      'half an answer',
      'broke off',
      (request, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('001e#');
        request.socket.destroy();
      },
    ],
    ['nothing at all', 'stopped answering', () => {}],
  ])(
    'that answers %s is told in words, and the old copy is served on',
    async (_, words, answer) => {
      await using host = await Host.start();
      let now = host.backend();
      await using server = await tlsServer(host.certificate, (request, response) =>
        now(request, response),
      );
      const access = { tokenFile: host.tokenFile, caFile: host.certificate.caFile };
      const url = httpsUrl(server, host.remote.path);
      const mirror = await open(url, host.mirrors.path, access, { ...PATIENCE, silenceMs: 2000 });
      const { table } = mirror;
      expect(table.refs).toHaveLength(1);
      now = answer;
      await mirror.refresh(NEVER);
      expect(mirror.problem).toContain(words);
      expect(mirror.problem).not.toContain(TOKEN);
      expect(mirror.table).toBe(table);
    },
  );

  it('that hangs in the middle of its first copy lets pool serve, and is tried again', async () => {
    await using host = await Host.start();
    await host.remote.commit({
      big: Buffer.from(Array.from({ length: 400_000 }, () => Math.random() * 256)),
    });
    const backend = host.backend();
    let hang = true;
    await using server = await tlsServer(host.certificate, (request, response) => {
      const write = response.write.bind(response);
      let sent = 0;
      if (hang) {
        response.write = (chunk: Buffer) =>
          (sent += chunk.length) > 100_000 ? true : write(chunk);
        const end = response.end.bind(response);
        response.end = () => (sent > 100_000 ? response : end());
      }
      backend(request, response);
    });
    const access = { tokenFile: host.tokenFile, caFile: host.certificate.caFile };
    const patience = { ...PATIENCE, firstMs: 50, silenceMs: 2000 };
    const mirror = await open(
      httpsUrl(server, host.remote.path),
      host.mirrors.path,
      access,
      patience,
    );
    expect(mirror).toMatchObject({ problem: undefined, fetchedAt: 0, table: { refs: [] } });
    expect(troubleWith('app', mirror)).toBe(
      'The repository app is being copied for the first time.',
    );
    const far = () => troubleWith('app', mirror)?.includes('time (Receiving objects: ') === true;
    await until('it says how far it is', far, 10_000);
    await mirror.refresh(NEVER);
    expect(mirror.problem).toContain('stopped answering');
    expect(troubleWith('app', mirror)).toMatch(
      /^The repository app could not be fetched yet: .*\.$/,
    );
    hang = false;
    await mirror.refresh(NEVER);
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.find('main')).toMatchObject({ commit: host.remote.id('HEAD') });
  });

  it('that is down, or leads nowhere, is told in words', async () => {
    using folder = new TemporaryFolder();
    const opened = async (url: string) => await open(url, folder.path, {});
    expect(await opened('https://127.0.0.1:1/x')).toMatchObject({
      problem: expect.stringMatching(/^127\.0\.0\.1:1 takes no connection.*tries again by itself$/),
      lasting: false,
    });
    expect(await opened('https://no.invalid/x')).toMatchObject({
      problem: expect.stringContaining('the name no.invalid leads nowhere'),
      lasting: false,
    });
  });
});

describe('an ssh repository', BUSY, () => {
  it('is fetched with its deploy key from the host that is known, and from no other', async () => {
    // Its sshd hands no protocol on: the oldest one must tell of the longer ids too.
    using remote = new GitRepository('sha256');
    await remote.commit({ a: '1' });
    using folder = new TemporaryFolder();
    using mirrors = new TemporaryFolder();
    await using server = await sshServer(folder.path);
    const { sshKey, knownHosts } = server;
    const url = server.origin + remote.path;
    const opened = async (access: Access, at = url) =>
      (await open(at, mirrors.path, access)).problem;

    const unknown = join(folder.path, 'nobody');
    writeFileSync(unknown, '');
    const scan = `ssh-keyscan -p ${server.port} 127.0.0.1`;
    expect(await opened({ sshKey, knownHosts: unknown })).toMatch(
      new RegExp(`host key of 127.0.0.1:${server.port} is not known.*${scan}.*comparing`),
    );
    const stranger = join(folder.path, 'stranger');
    makeKey(stranger);
    expect(await opened({ sshKey: stranger, knownHosts })).toContain('as a deploy key');
    chmodSync(sshKey, 0o644);
    expect(await opened({ sshKey, knownHosts })).toContain('run chmod 600 on it');
    chmodSync(sshKey, 0o600);
    writeFileSync(unknown, 'no key', { mode: 0o600 });
    chmodSync(unknown, 0o600);
    expect(await opened({ sshKey: unknown, knownHosts })).toContain(
      'no private key without a passphrase',
    );
    expect(await opened({ sshKey, knownHosts }, `${server.origin}/nothing`)).toContain(
      'does not appear to be a git repository',
    );

    const mirror = await open(url, mirrors.path, { sshKey, knownHosts });
    expect(mirror.problem).toBeUndefined();
    expect(mirror.table.find('main')).toMatchObject({ commit: remote.id('HEAD') });

    writeFileSync(knownHosts, knownHost(server.port, `${stranger}.pub`));
    await mirror.refresh(NEVER);
    expect(mirror.problem).toMatch(
      /shows another host key than the one in "knownHosts".*ssh-keyscan/,
    );
    expect(mirror.table.refs).toHaveLength(1);
  });

  it('that takes the connection and says nothing is not waited for by the start', async () => {
    using folder = new TemporaryFolder();
    await using server = await tcpServer(() => {});
    const key = join(folder.path, 'key');
    makeKey(key);
    const access = { sshKey: key, knownHosts: key };
    const patience = { ...PATIENCE, firstMs: 50, silenceMs: 700 };
    const mirror = await open(
      `ssh://git@127.0.0.1:${server.port}/x`,
      folder.path,
      access,
      patience,
    );
    expect(mirror.table.refs).toEqual([]);
    await mirror.refresh(NEVER);
    expect(mirror.problem).toContain('stopped answering');
    const mark = `POOL_MIRRORS=${folder.path}`;
    await until('nothing of it is left', () => processesWith(mark).length === 0);
  });
});

describe('a repository on this machine', BUSY, () => {
  it('may be of another user: its path was named, and that one alone is believed', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    await remote.commit({ a: '1' });
    // Only root can give files away; to all others the own ones are no strangers.
    if (process.getuid?.() === 0)
      for (const path of [remote.path, remote.gitDir]) await chown(path, 12_345, 12_345);
    const link = join(folder.path, 'link');
    await symlink(remote.path, link);
    for (const [index, url] of [remote.path, remote.gitDir, link, `${link}/`].entries()) {
      const parent = join(folder.path, String(index));
      expect((await open(url, parent, {})).table.refs).toHaveLength(1);
    }
  });

  it('runs nothing that its configuration names, nor the user’s', async () => {
    using remote = new GitRepository();
    using folder = new TemporaryFolder();
    await remote.commit({ a: '1' });
    const blob = remote.git(['rev-parse', 'HEAD:a']);
    await remote.commit({ b: '1' });
    const trace = join(folder.path, 'ran');
    const run = `touch ${trace};`;
    remote.git(['config', 'uploadpack.packObjectsHook', run]);
    remote.git(['config', 'core.fsmonitor', run]);
    remote.git(['config', 'core.sshCommand', run]);
    remote.git(['config', 'core.alternateRefsCommand', run]);
    remote.git(['config', 'core.hooksPath', folder.path]);
    remote.git(['config', 'protocol.ext.allow', 'always']);
    remote.git(['config', 'extensions.partialClone', 'evil']);
    remote.git(['config', 'core.repositoryFormatVersion', '1']);
    remote.git(['config', 'remote.evil.promisor', 'true']);
    remote.git(['config', 'remote.evil.url', `ext::sh -c "${run}"`]);
    remote.git(['config', 'remote.evil.uploadpack', run]);
    const mirror = await open(remote.path, folder.path, {});
    expect(mirror.problem).toBeUndefined();
    // An object that is missing is one that a partial clone would ask its promisor for.
    const object = join(remote.gitDir, 'objects', blob.slice(0, 2), blob.slice(2));
    chmodSync(object, 0o600);
    writeFileSync(object, '');
    using other = new TemporaryFolder();
    expect((await open(remote.path, other.path, {})).problem).toBeDefined();
    expect(existsSync(trace)).toBe(false);
  });
});
