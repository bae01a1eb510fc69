import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { STATES } from '../fixtures/fake-control.ts';
import { HOST, openFront, openReadyFront, type TestFront } from '../fixtures/front.ts';
import {
  httpServer,
  type Listening,
  listening,
  parseAnswer,
  RawClient,
  tcpServer,
} from '../fixtures/servers.ts';
import { until } from '../fixtures/until.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const HANDSHAKE = [
  'GET /live HTTP/1.1',
  `Host: ${HOST}`,
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${KEY}`,
];

/** An application that sends back what it gets, and tells the handshake's headers first. */
async function echo(): Promise<Listening> {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, { url, headers }) => {
    socket.on('error', () => {});
    socket.send(JSON.stringify({ url, headers }));
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return await listening(server);
}

function dial(port: number, headers: Record<string, string> = {}): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/live?x=1`, {
    headers: { host: HOST, ...headers },
  });
  socket.on('error', () => {});
  return socket;
}

async function message(socket: WebSocket): Promise<string> {
  const [data] = (await once(socket, 'message')) as [Buffer];
  return data.toString();
}

describe('a WebSocket', () => {
  it('goes through, both ways, with Host kept and X-Forwarded-* of its own', async () => {
    await using app = await echo();
    await using front = await openReadyFront(app.port);
    const socket = dial(front.port, {
      'x-forwarded-for': '10.0.0.1',
      'x-forwarded-prefix': '/x',
      forwarded: 'for=x',
    });
    const { url, headers } = JSON.parse(await message(socket)) as {
      url: string;
      headers: Record<string, string>;
    };
    expect(url).toBe('/live?x=1');
    expect(headers).toMatchObject({
      host: HOST,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': HOST,
      'x-forwarded-proto': 'http',
      forwarded: `for=127.0.0.1;host="${HOST}";proto=http`,
    });
    expect(headers['x-forwarded-prefix']).toBeUndefined();
    const large = 'x'.repeat(500_000);
    socket.send(large);
    expect(await message(socket)).toBe(large);
    socket.close(1000, 'bye');
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(1000);
    await until('the application is free', () => app.open.size === 0);
    expect(app.open.size).toBe(0);
  });

  it('is held until the preview is ready', async () => {
    await using app = await echo();
    await using front = await openFront(STATES.building, { holdMs: 2000 });
    const socket = dial(front.port);
    await until('it is held', () => front.control.settledCalls === 1);
    expect(app.open.size).toBe(0);
    front.ready(app.port);
    expect(JSON.parse(await message(socket))).toMatchObject({ url: '/live?x=1' });
    socket.terminate();
  });

  it('that was held too long is told 503 and closed', async () => {
    await using front = await openFront(STATES.building, { holdMs: 20 });
    using client = new RawClient(front.port);
    client.send(...HANDSHAKE);
    expect(parseAnswer(await client.ended)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '2' },
    });
  });

  it('gets the refusal of the application as it is', async () => {
    await using app = await httpServer((_, response) => {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end('who are you?');
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...HANDSHAKE);
    await until('it is refused', () => client.text.includes('who are you?'));
    const told = parseAnswer(client.text);
    expect(told.status).toBe(401);
    expect(told.headers['www-authenticate']).toBe('Basic');
  });

  it('whose application is gone is told 502', async () => {
    const app = await httpServer(() => {});
    await app[Symbol.asyncDispose]();
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...HANDSHAKE);
    expect(parseAnswer(await client.ended).status).toBe(502);
  });

  it('ends when the application goes', async () => {
    await using front = await openFront();
    await using app = await echo();
    front.ready(app.port);
    const socket = dial(front.port);
    await message(socket);
    for (const open of app.open) open.destroy();
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(1006);
  });

  it('ends with its route', async () => {
    await using app = await echo();
    await using front = await openReadyFront(app.port);
    const socket = dial(front.port);
    await message(socket);
    const closed = once(socket, 'close');
    front.ready(app.port);
    await closed;
    await until('the application is free', () => app.open.size === 0);
    expect(app.open.size).toBe(0);
  });

  it('frees the application when the visitor goes', async () => {
    await using app = await echo();
    await using front = await openReadyFront(app.port);
    const socket = dial(front.port);
    await message(socket);
    socket.terminate();
    await until('the application is free', () => app.open.size === 0);
    expect(app.open.size).toBe(0);
  });

  it.each<[string, (front: TestFront, client: RawClient) => void]>([
    ['its visitor', (_, client) => void client.socket.destroy()],
    ['its route', (front) => front.ready(1)],
  ])('ends with %s also before the application answered', async (_, end) => {
    await using app = await tcpServer((socket) => {
      socket.resume().once('end', () => socket.end());
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(...HANDSHAKE);
    await until('the application is asked', () => app.open.size === 1);
    end(front, client);
    await until('the application is free', () => app.open.size === 0);
    expect(app.open.size).toBe(0);
  });
});

describe('an Upgrade that is no WebSocket is an ordinary request', () => {
  it.each(['h2c', 'TLS/1.0', 'foo'])('%s', async (protocol) => {
    let upgrade: string | undefined = 'unset';
    await using app = await httpServer((request, response) => {
      upgrade = request.headers.upgrade;
      response.end('ok');
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send('GET / HTTP/1.1', `Host: ${HOST}`, 'Connection: Upgrade', `Upgrade: ${protocol}`);
    await until(
      'it is answered',
      () => client.text.endsWith('ok') || client.text.includes('\r\nok\r\n'),
    );
    expect(parseAnswer(client.text).status).toBe(200);
    expect(upgrade).toBeUndefined();
  });

  it('a WebSocket in HTTP/1.0, which knows none', async () => {
    let upgrade: string | undefined = 'unset';
    await using app = await httpServer((request, response) => {
      upgrade = request.headers.upgrade;
      response.end('ok');
    });
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send('GET / HTTP/1.0', ...HANDSHAKE.slice(1));
    expect(parseAnswer(await client.ended).status).toBe(200);
    expect(upgrade).toBeUndefined();
  });

  it('a POST that asks for a WebSocket', async () => {
    await using app = await httpServer((request, response) => request.pipe(response));
    await using front = await openReadyFront(app.port);
    using client = new RawClient(front.port);
    client.send(
      'POST / HTTP/1.1',
      `Host: ${HOST}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Content-Length: 2',
    );
    client.socket.write('hi');
    await until('it is answered', () => client.text.includes('hi'));
    expect(parseAnswer(client.text).status).toBe(200);
  });
});
