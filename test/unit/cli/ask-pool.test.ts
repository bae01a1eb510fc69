import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { ask, follow } from '../../../src/cli/ask-pool.ts';
import { close, listenOn } from '../../../src/listen.ts';
import { TemporaryFolder } from '../fixtures/git-repository.ts';

/** A pool that is killed after it wrote so much of its answer. */
async function openDying(written: string) {
  const folder = new TemporaryFolder();
  const server = createServer((request, response) => {
    response.write(written, () => request.socket.destroy());
  });
  await listenOn(server, join(folder.path, 'control.sock'));
  return {
    values: { 'data-dir': folder.path },
    async [Symbol.asyncDispose]() {
      await close(server);
      folder[Symbol.dispose]();
    },
  };
}

describe('a pool that is killed in the middle of an answer', () => {
  it.each(['', '{"text":"one\\n"}\n', '{"text":"one\\n"}\n{"te'])(
    'is told of: %j',
    async (written) => {
      await using pool = await openDying(written);
      const pieces: string[] = [];
      const reading = (async () => {
        for await (const { text: piece } of follow('log', { address: 'main', follow: true }, pool))
          pieces.push(piece);
      })();
      await expect(reading).rejects.toMatchObject({
        code: 5,
        message: expect.stringContaining('The pool ended') as string,
      });
      expect(pieces).toEqual(written === '' ? [] : ['one\n']);
    },
  );

  it('is told of where one answer was to come', async () => {
    await using pool = await openDying('{');
    await expect(ask('ls', {}, pool)).rejects.toMatchObject({ code: 5 });
  });
});

it('a command whose reader has read enough ends without a word', async () => {
  const pool = join(import.meta.dirname, '../../../src/cli/pool.ts');
  const child = spawn(process.execPath, [pool, '--help']);
  child.stdout.destroy();
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect({ said, code: code as unknown }).toEqual({ said: '', code: 0 });
});
