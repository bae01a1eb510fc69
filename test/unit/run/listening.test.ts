import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listeningIn, parseListening } from '../../../src/run/listening.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (local: string, state = '0A') =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 2731060 1 0 100 0 0 10 0\n`;
const ID = 'c'.repeat(64);
const mounts = (id: string, at = '/etc/hostname') =>
  `1 0 0:9 / / rw - overlay overlay rw\n353 330 254:0 /data/containers/${id}/hostname ${at} rw - ext4 /dev/vda rw\n`;

/** A /proc with one process, number 7. */
function proc(files: Record<string, string>) {
  const folder = new TemporaryFolder();
  mkdirSync(join(folder.path, '7', 'net'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder.path, '7', name), text);
  }
  return folder;
}

describe('a table of sockets', () => {
  it.each([
    ['every address', '00000000:0BB8', { address: '0.0.0.0', port: 3000, loopback: false }],
    ['loopback', '0100007F:1F90', { address: '127.0.0.1', port: 8080, loopback: true }],
    ['all of loopback', '0200007F:0050', { address: '127.0.0.2', port: 80, loopback: true }],
    [
      'an address of its own',
      '020011AC:0050',
      { address: '172.17.0.2', port: 80, loopback: false },
    ],
    [
      'every address of IPv6',
      `${'0'.repeat(32)}:FFFF`,
      { address: '[::]', port: 65_535, loopback: false },
    ],
    [
      'loopback of IPv6',
      `${'0'.repeat(24)}01000000:0BB8`,
      { address: '[::1]', port: 3000, loopback: true },
    ],
    [
      'loopback in IPv6',
      `${'0'.repeat(16)}FFFF00000100007F:0BB8`,
      { address: '127.0.0.1', port: 3000, loopback: true },
    ],
  ])('tells who listens on %s', (_, local, socket) => {
    expect(parseListening(HEAD + line(local))).toEqual([socket]);
  });

  it.each([
    ['connections', line('00000000:0BB8', '01')],
    ["the engine's name server", line('0B00007F:A1B2')],
    ['nothing', ''],
    ['what is no table', 'nothing to see\n\n0A 0A 0A 0A'],
  ])('tells nothing of %s', (_, text) => {
    expect(parseListening(HEAD + text)).toEqual([]);
  });
});

describe('the sockets of a container', () => {
  const tcp = HEAD + line('00000000:0BB8');

  it('are read from both tables', async () => {
    const tcp6 = HEAD + line(`${'0'.repeat(32)}:0050`);
    using folder = proc({ 'net/tcp': tcp, 'net/tcp6': tcp6, mountinfo: mounts(ID) });
    expect((await listeningIn(ID, 7, folder.path))?.map(({ port }) => port)).toEqual([3000, 80]);
  });

  it('are read where there is no IPv6', async () => {
    using folder = proc({ 'net/tcp': tcp, mountinfo: mounts(ID) });
    expect(await listeningIn(ID, 7, folder.path)).toHaveLength(1);
  });

  it.each([
    ['of another container', mounts('d'.repeat(64))],
    ["of the engine, which has the container's files mounted elsewhere", mounts(ID, '/mnt')],
    ['without mounts', ''],
  ])('are not read from a process %s', async (_, mountinfo) => {
    using folder = proc({ 'net/tcp': tcp, mountinfo });
    expect(await listeningIn(ID, 7, folder.path)).toBeUndefined();
  });

  it('are not read where there is no such process, or it is hidden', async () => {
    using folder = proc({});
    expect(await listeningIn(ID, 7, folder.path)).toBeUndefined();
    expect(await listeningIn(ID, 8, folder.path)).toBeUndefined();
    expect(await listeningIn(ID, 0, '/nowhere')).toBeUndefined();
  });
});
