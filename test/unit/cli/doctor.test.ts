import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listenersOnAll } from '../../../src/cli/check-machine.ts';
import { gitFinding, gitLfsFindings, sshFindings } from '../../../src/cli/check-programs.ts';
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

function served(...repositories: { url: string; lfs?: boolean; sshKey?: string }[]) {
  const parsed = parseConfig({ repositories });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.config.repositories;
}

it('git-lfs is looked for where a repository needs it, and nowhere else', () => {
  const url = 'https://git.example/app';
  const version = 'git-lfs/3.3.0';
  expect(gitLfsFindings(version, served({ url }, { url: '/srv/other', lfs: true }))).toEqual([]);
  const wanted = served({ url, lfs: true });
  expect(gitLfsFindings(version, wanted)).toEqual([
    { state: 'ok', about: 'git-lfs', words: '3.3.0' },
  ]);
  const words = 'is not there, and app may need it';
  expect(gitLfsFindings(undefined, wanted)).toMatchObject([{ state: 'bad', words }]);
});

it.each([
  ['2.29.2', 'bad', 'bad'],
  ['2.30.2', 'ok', 'warn'],
  ['2.39.3', 'ok', 'warn'],
  ['2.39.5', 'ok', 'ok'],
  ['2.38.5', 'ok', 'warn'],
  ['2.40.1', 'ok', 'warn'],
  ['2.43.4', 'ok', 'ok'],
  ['2.44.0', 'ok', 'warn'],
  ['2.45.0', 'ok', 'warn'],
  ['2.45.1 (Apple Git-155)', 'ok', 'ok'],
  ['2.46.0', 'ok', 'ok'],
  ['2.47.0.windows.1', 'ok', 'ok'],
  ['3.0.0', 'ok', 'ok'],
])('git %s is %s for https, and %s for a repository on this machine', (version, https, path) => {
  const state = (url: string) => gitFinding(`git version ${version}`, served({ url })).state;
  expect([state('https://git.example/app'), state('/srv/app')]).toEqual([https, path]);
});

it('ssh is looked for where a repository goes over it, and must find the key that is named', () => {
  const [plain, keyed] = [
    { url: 'git@git.example:app' },
    { url: 'git@git.example:app', sshKey: 'k' },
  ];
  const old = 'OpenSSH_8.2p1 Ubuntu-4ubuntu0.11, OpenSSL 1.1.1f  31 Mar 2020';
  const young = 'OpenSSH_8.4p1 Debian-5+deb11u3, OpenSSL 1.1.1w  11 Sep 2023';
  const states = (version: string | undefined, ...repositories: Parameters<typeof served>) =>
    sshFindings(version, served(...repositories)).map(({ state }) => state);
  expect(states(undefined, { url: 'https://git.example/app' })).toEqual([]);
  expect(states(undefined, plain)).toEqual(['bad']);
  expect([old, young].map((version) => states(version, plain))).toEqual([['ok'], ['ok']]);
  expect([old, young].map((version) => states(version, keyed))).toEqual([['bad'], ['ok']]);
  expect(sshFindings(old, served(keyed))).toMatchObject([
    {
      words: 'OpenSSH_8.2p1 Ubuntu-4ubuntu0.11 does not find the "sshKey" or "knownHosts" of app',
      next: 'Install OpenSSH 8.4 or later.',
    },
  ]);
});
