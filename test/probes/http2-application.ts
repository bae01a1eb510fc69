import { createServer, type ServerHttp2Stream } from 'node:http2';

// Runs alone in a container, and speaks HTTP/2 without TLS and nothing else.
const open = new Set<ServerHttp2Stream>();

const server = createServer();
server.on('stream', (stream, headers) => {
  const { ':path': path = '/', ':method': method, ':authority': authority } = headers;
  open.add(stream);
  stream.on('error', () => {});
  stream.once('close', () => open.delete(stream));
  if (path === '/echo') {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  } else if (path === '/cut') {
    stream.respond({ ':status': 200 });
    stream.write('half');
    // RST_STREAM; close() would end the stream first.
    setTimeout(() => stream.destroy(new Error('cut')), 50);
  } else if (path === '/die') {
    stream.respond({ ':status': 200 });
    stream.write('half');
    setTimeout(() => stream.session?.destroy(), 50);
  } else if (path === '/trailers') {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
    stream.end('ok');
  } else if (path === '/silence') {
    stream.resume();
  } else if (path === '/open') {
    stream.respond({ ':status': 200 });
    stream.end(String([...open].filter((one) => one !== stream).length));
  } else {
    const names = Object.keys(headers).filter((name) => !name.startsWith(':'));
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'x-own': 'yes' });
    stream.end(method === 'HEAD' ? '' : JSON.stringify({ path, method, authority, names }));
  }
});
server.listen(3000);
process.on('SIGTERM', () => process.exit(0));
