import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkGitLfs, listenersOnAll } from '../../../src/cli/check-machine.ts';
import { checkRepositories } from '../../../src/cli/check-repositories.ts';
import { parseConfig } from '../../../src/config/parse-config.ts';
import { GitRepository, TemporaryFolder } from '../fixtures/git-repository.ts';
import {
  behindToken,
  gitBackend,
  httpsUrl,
  makeCertificate,
  tlsServer,
  TOKEN,
} from '../fixtures/remotes.ts';

it('listeners on every address are read, and nothing else of the kernel’s table', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue',
    '   0: 00000000:0016 00000000:0000 0A 00000000:00000000',
    '   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000',
    '   2: 00000000:0050 0100007F:C001 01 00000000:00000000',
    '  10: 00000000000000000000000000000000:0CEA 00000000000000000000000000000000:0000 0A 0',
    '  11: 00000000000000000000000001000000:0CEB 00000000000000000000000000000000:0000 0A 0',
    '  12: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0',
  ];
  expect(listenersOnAll(table.join('\n'))).toEqual([22, 3306]);
  expect(listenersOnAll('')).toEqual([]);
});

it('each repository is asked, and secrets that others may read are told', async () => {
  using remote = new GitRepository();
  using folder = new TemporaryFolder();
  const certificate = makeCertificate(folder.path);
  await using server = await tlsServer(certificate, behindToken(gitBackend(remote.path)));
  const url = httpsUrl(server, remote.path);
  const tokenFile = join(folder.path, 'token');
  writeFileSync(tokenFile, TOKEN, { mode: 0o644 });
  const envFile = join(folder.path, 'none.env');
  const parsed = parseConfig({
    repositories: [
      { url: remote.path, envFile },
      { name: 'open', url, caFile: certificate.caFile, tokenFile },
      { name: 'shut', url, caFile: certificate.caFile },
      { name: 'strange', url },
    ],
  });
  if (!('config' in parsed)) throw new Error('the configuration is wrong');
  const { repositories } = parsed.config;
  const findings = await checkRepositories(repositories);
  expect(findings.map(({ state, about, words }) => [state, about, words])).toEqual([
    ['ok', `repository ${repositories[0]?.name}`, `${remote.path} answers`],
    [
      'bad',
      `repository ${repositories[0]?.name}`,
      `${envFile} cannot be read (ENOENT); make it, or mend its path`,
    ],
    ['ok', 'repository open', `${url} answers`],
    ['warn', 'repository open', `${tokenFile} is open to others`],
    ['bad', 'repository shut', expect.stringContaining('asks for a password')],
    ['bad', 'repository strange', expect.stringContaining('the certificate of 127.0.0.1')],
  ]);
  expect(JSON.stringify(findings)).not.toContain(TOKEN);
});

async function lookForGitLfs(...repositories: { url: string; lfs?: boolean }[]) {
  const parsed = parseConfig({ repositories });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return await checkGitLfs(parsed.config);
}

it('git-lfs is looked for where a repository needs it, and nowhere else', async () => {
  const url = 'https://git.example/app';
  expect(await lookForGitLfs({ url }, { url: '/srv/other', lfs: true })).toEqual([]);
  expect(await lookForGitLfs({ url, lfs: true })).toMatchObject([
    { state: 'ok', about: 'git-lfs' },
  ]);
  const { PATH: path } = process.env;
  try {
    process.env['PATH'] = '/nonexistent';
    const words = 'is not there, and app may need it';
    expect(await lookForGitLfs({ url, lfs: true })).toMatchObject([{ state: 'bad', words }]);
  } finally {
    process.env['PATH'] = path;
  }
});
