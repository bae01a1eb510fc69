import { randomUUID } from 'node:crypto';
import { constants, performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as tick } from 'node:timers/promises';
import protobuf from 'protobufjs';
import { askEngine } from '../engine/ask.ts';
import type { Engine } from '../engine/connect.ts';
import { loginOr, type Logins } from './credentials.ts';
import { hostOf } from './registry-name.ts';

const definition = protobuf.loadSync(
  createRequire(import.meta.url).resolve('dockerode/lib/proto/auth.proto'),
);
const CredentialsRequest = definition.lookupType('moby.filesync.v1.CredentialsRequest');
const CredentialsResponse = definition.lookupType('moby.filesync.v1.CredentialsResponse');

const CREDENTIALS = '/moby.filesync.v1.Auth/Credentials';
const HEALTH = '/grpc.health.v1.Health/Check';
/** `HealthCheckResponse{SERVING}`: BuildKit asks every second, and ends a session that says nothing. */
const SERVING = Buffer.from([0x08, 0x01]);

const GRPC = { ':status': 200, 'content-type': 'application/grpc' };
const UNKNOWN = '2';
const UNIMPLEMENTED = '12';

/** What BuildKit asks back while it builds. */
export interface AuthSession extends Disposable {
  id: string;
  /**
   * Why logins could not be looked up, by host: nobody is told then who asks, which is enough for
   * what is public; the error of a build that needed more only says that there was none.
   */
  readonly problems: ReadonlyMap<string, Error>;
}

/**
 * Opens the session in which BuildKit asks for logins, registry by registry: a gRPC server on a
 * connection that pool dials. dockerode's own hands one login to whichever registry is asked.
 */
export async function openAuthSession(
  { docker }: Engine,
  logins: Logins,
  signal: AbortSignal,
): Promise<AuthSession> {
  const id = randomUUID();
  const headers = {
    Upgrade: 'h2c',
    'X-Docker-Expose-Session-Uuid': id,
    'X-Docker-Expose-Session-Name': 'pool',
    'X-Docker-Expose-Session-Grpc-Method': [CREDENTIALS, HEALTH],
  };
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const how = { path: '/session', method: 'POST', hijack: true, headers, statusCodes: {} };
  docker.modem.dial({ ...how, abortSignal: signal }, (error: unknown, socket: unknown) => {
    if (error) reject(error);
    else resolve(socket as Socket);
  });
  const socket = (await askEngine('opening a session for logins', promise, signal)).on(
    'error',
    () => {},
  );
  const session = performServerHandshake(socket).on('error', () => {});
  const problems = new Map<string, Error>();
  const known: Logins = async (host) => await loginOr(problems, host, logins);
  session.on('stream', (stream, { ':path': path }) => {
    stream.on('error', () => {});
    answer(stream, path, known).catch(() => {
      if (!stream.destroyed)
        stream.respond({ ...GRPC, 'grpc-status': UNKNOWN }, { endStream: true });
    });
  });
  // Node reads what came with the answer in the next tick, and ends the process where it is gone by then.
  await tick();
  return {
    id,
    problems,
    [Symbol.dispose]() {
      session.destroy(undefined, constants.NGHTTP2_NO_ERROR);
      socket.destroy();
    },
  };
}

async function answer(stream: ServerHttp2Stream, path: string | undefined, logins: Logins) {
  if (path === HEALTH) return respond(stream, SERVING);
  if (path !== CREDENTIALS) {
    stream.respond({ ...GRPC, 'grpc-status': UNIMPLEMENTED }, { endStream: true });
    return undefined;
  }
  // A message comes after one byte of flags and four of its length.
  const asked = CredentialsRequest.decode((await buffer(stream)).subarray(5));
  const login = await logins(hostOf((asked as unknown as { Host: string }).Host));
  if (login === undefined) return respond(stream, Buffer.alloc(0));
  const told =
    'identitytoken' in login
      ? { Secret: login.identitytoken }
      : { Username: login.username, Secret: login.password };
  return respond(stream, CredentialsResponse.encode(told).finish());
}

function respond(stream: ServerHttp2Stream, message: Uint8Array): void {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.respond(GRPC, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([head, message]));
}
