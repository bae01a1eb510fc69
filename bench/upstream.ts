import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../test/unit/fixtures/until.ts';
import { accepts } from '../test/probes/peers.ts';
import { CORE, Pinned } from './process.ts';

/** The bytes of an answer's body. */
const BODY = 'x'.repeat(1024);

/**
 * An application that costs as little as can be: nginx, 1 KB out of memory at `/`, on as many
 * ports in a row as are asked for. A path of digits is a file of `bytes`, out of the page cache.
 */
export async function fastApplication(
  folder: string,
  first: number,
  { ports = 1, bytes = 0 }: { ports?: number; bytes?: number } = {},
): Promise<Pinned> {
  if (bytes > 0) writeFileSync(join(folder, String(bytes)), Buffer.alloc(bytes, 'x'));
  const listens = Array.from({ length: ports }, (_, index) => {
    return `listen 127.0.0.1:${first + index} backlog=4096;`;
  });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder};`)
    .join(' ');
  const file = join(folder, 'application.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/application.pid; error_log stderr crit;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_rlimit_nofile 40000;
events { worker_connections 16384; }
http {
  access_log off; ${temporary}
  keepalive_requests 100000000; keepalive_timeout 60s; sendfile on;
  server {
    ${listens.join('\n    ')}
    location / {
      default_type text/html;
      add_header Cache-Control 'max-age=0, must-revalidate';
      add_header ETag '"5e2f-1a2b3c4d"';
      add_header Vary 'Accept-Encoding';
      add_header Set-Cookie 'session=6f1c2a; Path=/; HttpOnly';
      return 200 '${BODY}';
    }
    location ~ ^/[0-9]+$ { root ${folder}; }
  }
}
`,
  );
  const nginx = new Pinned(CORE.beside, ['nginx', '-c', file, '-p', folder, '-e', 'stderr']);
  await until(
    `the application listens (${nginx.errors})`,
    async () => await accepts(first),
    10_000,
  );
  return nginx;
}
