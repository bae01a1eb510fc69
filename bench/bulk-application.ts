import { createServer } from 'node:http';
import { type Listening, listening } from '../test/unit/fixtures/servers.ts';

const CHUNK = Buffer.alloc(65_536, 'x');

/** Answers `GET /N` with N bytes as fast as they are taken, and a POST once its last byte is here. */
export async function bulkApplication(): Promise<Listening> {
  return await listening(
    createServer((request, response) => {
      if (request.method === 'POST') {
        request.resume().once('end', () => response.end('ok'));
        return;
      }
      let left = Number(request.url?.slice(1));
      response.writeHead(200, { 'content-length': left });
      const more = () => {
        for (let goes = true; goes && left > 0;) {
          const piece = CHUNK.subarray(0, Math.min(left, CHUNK.length));
          left -= piece.length;
          goes = response.write(piece);
        }
        if (left === 0) response.end();
      };
      response.on('drain', more);
      more();
    }),
  );
}
