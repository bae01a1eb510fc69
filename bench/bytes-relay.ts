import { connect, createServer } from 'node:net';

// What any proxy on Node costs at least: bytes to another port and back, and no HTTP. `PORT TO`
const [port = 0, to = 0] = process.argv.slice(2).map(Number);

createServer({ noDelay: true }, (client) => {
  const upstream = connect({ host: '127.0.0.1', port: to, noDelay: true });
  client.pipe(upstream).pipe(client);
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
}).listen(port, '127.0.0.1');
