import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../unit/fixtures/until.ts';

/** Another proxy before the same application. */
export interface Peer {
  name: string;
  /** How its version is asked for, and where it stands in what that prints. */
  version: { command: readonly [string, ...string[]]; pattern: RegExp };
  /** What it is set to, for the document. */
  settings: string;
  /** Writes its configuration into a folder; returns the command that stays in the foreground. */
  prepare(folder: string, port: number, applicationPort: number): Promise<[string, ...string[]]>;
}

/** A peer that runs, on a port of its own. */
export interface Running extends AsyncDisposable {
  port: number;
  pid: number;
}

/** The version of a peer; nothing where it is not installed. */
export async function versionOf({ version }: Peer): Promise<string | undefined> {
  const [command, ...args] = version.command;
  const printed = await promisify(execFile)(command, args).catch(() => undefined);
  return version.pattern.exec(`${printed?.stdout}${printed?.stderr}`)?.[1];
}

/** Starts a peer, by the command `before` where one is given; ended by its process id with the scope. */
export async function startPeer(
  peer: Peer,
  folder: string,
  applicationPort: number,
  before: readonly string[] = [],
): Promise<Running> {
  const port = await freePort();
  const own = await peer.prepare(folder, port, applicationPort);
  const [command = '', ...args] = [...before, ...own];
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  await until(`${peer.name} listens (${errors})`, async () => await accepts(port), 10_000);
  return { port, pid: child.pid ?? 0, [Symbol.asyncDispose]: async () => await end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'exit');
  child.kill('SIGTERM');
  await closed;
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Whether somebody listens on a port of loopback. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  const accepted = await promise;
  socket.destroy();
  return accepted;
}

const nginx: Peer = {
  name: 'nginx',
  version: { command: ['nginx', '-v'], pattern: /nginx\/(\S+)/ },
  settings:
    'HTTP/1.1 and kept connections to the application, no buffering of requests or answers, `Upgrade` passed on by the usual map, 64 KB for headers, 15 s for a client to send them, forwarding headers set anew',
  async prepare(folder, port, applicationPort) {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder};`)
      .join(' ');
    const file = join(folder, 'nginx.conf');
    await writeFile(
      file,
      `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_rlimit_nofile 20000;
events { worker_connections 8192; }
http {
  access_log off; ${temporary}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream application { server 127.0.0.1:${applicationPort}; keepalive 256; }
  client_max_body_size 0; client_header_timeout 15s; large_client_header_buffers 4 64k;
  proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 64k;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://application;
      proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header Forwarded 'for=$remote_addr;host="$http_host";proto=$scheme';
    }
  }
}
`,
    );
    return ['nginx', '-c', file, '-p', folder, '-e', 'stderr'];
  },
};

const haproxy: Peer = {
  name: 'HAProxy',
  version: { command: ['haproxy', '-v'], pattern: /version (\d+\.\d+\.\d+)/ },
  settings:
    "`mode http`, the usual time limits, 15 s for a request's headers, 64 KB for headers, forwarding headers set anew, and an end to what the client left (`abortonclose`)",
  async prepare(folder, port, applicationPort) {
    const file = join(folder, 'haproxy.cfg');
    await writeFile(
      file,
      `global
  maxconn 8192
  tune.bufsize 65536
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-request 15s
  option abortonclose
frontend visitors
  bind 127.0.0.1:${port}
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Real-IP %[src]
  http-request set-header Forwarded for=%[src];host=\\"%[req.hdr(host)]\\";proto=http
  default_backend application
backend application
  server application 127.0.0.1:${applicationPort}
`,
    );
    return ['haproxy', '-db', '-f', file];
  },
};

const PROCESS = join(import.meta.dirname, 'http-proxy-process.ts');

const httpProxy: Peer = {
  name: 'http-proxy',
  version: {
    command: [process.execPath, '-p', 'require("http-proxy/package.json").version'],
    pattern: /(\S+)/,
  },
  settings:
    'a Node process with `xfwd`, `ws` and a keep-alive agent, 64 KB for headers, 15 s for a client to send them, and 502 for what fails',
  async prepare(_folder, port, applicationPort) {
    const flags = ['--disable-warning=DEP0060', '--max-http-header-size=65536'];
    return [process.execPath, ...flags, PROCESS, String(port), String(applicationPort)];
  },
};

/** Go's, with what its users have: a short file. */
export const caddy: Peer = {
  name: 'Caddy',
  version: { command: ['caddy', 'version'], pattern: /v?(\d\S*)/ },
  settings: '`reverse_proxy` as it comes, without its administration port',
  async prepare(folder, port, applicationPort) {
    const file = join(folder, 'Caddyfile');
    await writeFile(
      file,
      `{
  admin off
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${applicationPort}
}
`,
    );
    const home = [`XDG_CONFIG_HOME=${folder}`, `XDG_DATA_HOME=${folder}`];
    return ['env', ...home, 'caddy', 'run', '--config', file, '--adapter', 'caddyfile'];
  },
};

export const PEERS: readonly Peer[] = [nginx, haproxy, httpProxy];
