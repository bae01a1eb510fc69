import { describe, expect, it } from 'vitest';
import { Upstream } from '../../../src/front/upstream.ts';
import { httpServer } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

describe('requests that wait for a connection', () => {
  it('are not sent once their route is gone, and fail', async () => {
    const seen: (string | undefined)[] = [];
    await using server = await httpServer((request) => seen.push(request.url));
    const upstream = new Upstream({ host: '127.0.0.1', port: server.port }, 1);
    const failed: string[] = [];
    for (const path of ['/busy', '/waits', '/waits-too']) {
      upstream
        .request({ path, headers: { host: 'x' } })
        .once('error', () => failed.push(path))
        .end();
    }
    await until('the first is there', () => seen.length === 1);
    upstream[Symbol.dispose]();
    await until('all have failed', () => failed.length === 3);
    expect(seen).toEqual(['/busy']);
  });
});
