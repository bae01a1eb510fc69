import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commitLabel } from '../../src/address/label.ts';
import { GitRepository, TemporaryFolder } from '../unit/fixtures/git-repository.ts';
import {
  behindToken,
  gitBackend,
  httpsUrl,
  makeCertificate,
  tlsServer,
  TOKEN,
} from '../unit/fixtures/remotes.ts';
import { page } from './fixtures/applications.ts';
import { TestPool } from './fixtures/test-pool.ts';

const PATIENCE = { timeout: 30_000 };

test('a private repository of SHA-256 ids is served from its first push on, and its token is nowhere', async () => {
  using repository = new GitRepository('sha256');
  using folder = new TemporaryFolder();
  const certificate = makeCertificate(folder.path);
  let answer = behindToken(gitBackend(repository.path));
  await using server = await tlsServer(certificate, (request, response) =>
    answer(request, response),
  );
  const tokenFile = join(folder.path, 'token');
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  const url = httpsUrl(server, repository.path);
  const web = { name: 'web', url, tokenFile, caFile: certificate.caFile };
  await using pool = await TestPool.open([], { repositories: [web], refreshMs: 100 });
  expect((await pool.visit('main')).text).toContain('The repository has no commit yet.');
  expect((await pool.visit('', { navigation: true })).text).toContain('There is no commit here');

  const commit = await repository.commit(page('Long ids'));
  repository.git(['tag', 'v1']);
  const main = async () => (await pool.visit('main')).text;
  await expect.poll(main, PATIENCE).toContain('Long ids');
  const label = commitLabel(commit);
  for (const ref of [label, commit.slice(0, 8), 'v1']) {
    const { headers, text } = await pool.visit(ref);
    expect([headers['x-pool-commit'], text]).toEqual([commit, expect.stringContaining('Long')]);
  }
  expect((await pool.state(label)).commit).toBe(commit);
  const strip = await pool.visit('', { navigation: true });
  expect(strip.text).toContain(`//${label}.`);

  answer = (_, response) => response.writeHead(401).end(`Basic ${TOKEN}`);
  const said = async () => (await pool.visit('nothing')).text;
  await expect.poll(said, PATIENCE).toContain('does not take the token');
  const pages = [await said(), (await pool.visit('', { navigation: true })).text];
  expect(pages[1]).toContain('does not take the token');
  expect(JSON.stringify([pages, pool.events])).not.toContain(TOKEN);
  expect(await main()).toContain('Long ids');
});
