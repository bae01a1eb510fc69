import { Agent, createServer, ServerResponse } from 'node:http';
import httpProxy from 'http-proxy';

// http-proxy as its README shows it, with the agent that keeps connections.
const [port, applicationPort] = process.argv.slice(2).map(Number);
const proxy = httpProxy.createProxyServer({
  target: { host: '127.0.0.1', port: Number(applicationPort) },
  agent: new Agent({ keepAlive: true }),
  xfwd: true,
  ws: true,
});
proxy.on('error', (_error, _request, response) => {
  if (!(response instanceof ServerResponse)) {
    response.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  } else if (response.headersSent) {
    response.destroy();
  } else {
    response.writeHead(502).end();
  }
});
const server = createServer({ headersTimeout: 15_000, connectionsCheckingInterval: 2500 });
server.on('request', (request, response) => proxy.web(request, response));
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head));
server.listen(port, '127.0.0.1');
// One request that it throws on must not count against it in all the others.
process.on('uncaughtException', () => {});
