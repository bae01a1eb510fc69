import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { trustOf } from '../../../src/front/client-side.ts';
import { HOST, openReadyFront } from '../fixtures/front.ts';
import { httpServer, type Listening, listening, raw, RawClient } from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

/** An application that tells which headers about the client it got. */
async function telling(): Promise<Listening> {
  return await httpServer(({ rawHeaders }, response) => {
    const lines = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 && /^(x-forwarded|x-real|forwarded)/i.test(name)
        ? [`${name}: ${rawHeaders[index + 1]}`]
        : [],
    );
    response.end(JSON.stringify(lines));
  });
}

const CLAIMS = [
  'X-Forwarded-For: 192.0.2.7',
  'x-forwarded-for: 198.51.100.1, 198.51.100.2',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: preview.example.org',
  'X-Real-IP: 192.0.2.7',
  'Forwarded: for=192.0.2.7;proto=https',
];

async function told(trustedProxies: readonly string[], claims: readonly string[] = CLAIMS) {
  await using app = await telling();
  await using front = await openReadyFront(app.port, {}, { trustedProxies });
  const lines = ['GET / HTTP/1.1', `Host: ${HOST}`, 'Connection: close', ...claims];
  return JSON.parse((await raw(front.port, ...lines)).body) as string[];
}

const OWN = [
  'X-Forwarded-For: 127.0.0.1',
  `X-Forwarded-Host: ${HOST}`,
  'X-Forwarded-Proto: http',
  `Forwarded: for=127.0.0.1;host="${HOST}";proto=http`,
];

describe('who asks', () => {
  it('is what pool sees, whatever the client claims', async () => {
    expect(await told([])).toEqual(OWN);
    expect(await told(['192.0.2.0/24', '::1'])).toEqual(OWN);
  });

  it.each(['127.0.0.1', '127.0.0.0/8'])(
    'is what a proxy says whom the operator names as %s, and then the proxy',
    async (proxy) => {
      expect(await told([proxy])).toEqual([
        'X-Forwarded-For: 192.0.2.7, 198.51.100.1, 198.51.100.2, 127.0.0.1',
        'X-Forwarded-Host: preview.example.org',
        'X-Forwarded-Proto: https',
        'Forwarded: for=192.0.2.7;proto=https, for=127.0.0.1;host="preview.example.org";proto=https',
      ]);
    },
  );

  it('is the proxy where that says nothing, or nothing that makes sense', async () => {
    expect(await told(['127.0.0.1'], [])).toEqual(OWN);
    const empty = [
      'X-Forwarded-For:',
      'X-Forwarded-Proto: gopher',
      'X-Forwarded-Host:',
      'Forwarded:',
    ];
    expect(await told(['127.0.0.1'], empty)).toEqual(OWN);
  });

  it('is of what the proxy itself said last, and not of what it passed on', async () => {
    const claims = [
      'X-Forwarded-Proto: http, https',
      'X-Forwarded-Host: evil.example, good.example',
    ];
    expect(await told(['127.0.0.1'], claims)).toEqual(
      expect.arrayContaining(['X-Forwarded-Proto: https', 'X-Forwarded-Host: good.example']),
    );
  });

  it('never decides what is shown: only Host does', async () => {
    await using app = await telling();
    await using front = await openReadyFront(app.port, {}, { trustedProxies: ['127.0.0.1'] });
    const claim = 'X-Forwarded-Host: pool.dev';
    expect(
      (await raw(front.port, 'GET / HTTP/1.1', 'Host: example.org', 'Connection: close', claim))
        .status,
    ).toBe(421);
    expect(
      (await raw(front.port, 'GET / HTTP/1.1', `Host: ${HOST}`, 'Connection: close', claim)).status,
    ).toBe(200);
  });

  it('is told with a WebSocket too', async () => {
    let headers: Record<string, unknown> = {};
    const server = createServer();
    server.on('upgrade', (request, socket) => {
      headers = request.headers;
      socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n');
    });
    await using app = await listening(server);
    await using front = await openReadyFront(app.port, {}, { trustedProxies: ['127.0.0.1'] });
    using client = new RawClient(front.port);
    client.send(
      'GET / HTTP/1.1',
      `Host: ${HOST}`,
      'Connection: Upgrade, x-hop',
      'Upgrade: websocket',
      'X-Hop: 1',
      ...CLAIMS,
    );
    await until('it is refused', () => client.text.includes('403'));
    expect(headers).toMatchObject({
      connection: 'Upgrade',
      upgrade: 'websocket',
      'x-forwarded-for': '192.0.2.7, 198.51.100.1, 198.51.100.2, 127.0.0.1',
      'x-forwarded-proto': 'https',
      forwarded: expect.stringContaining('for=127.0.0.1;host="preview.example.org"') as string,
    });
    expect(headers['x-hop']).toBeUndefined();
  });
});

it.each([
  ['10.1.2.3', true],
  ['11.1.2.3', false],
  ['::1', true],
  ['2001:db8::9', true],
  ['2001:db9::9', false],
  ['unknown', false],
  ['', false],
])('a proxy at %s is believed: %s', (address, believed) => {
  expect(trustOf(['10.0.0.0/8', '::1', '2001:db8::/32'])(address)).toBe(believed);
});
