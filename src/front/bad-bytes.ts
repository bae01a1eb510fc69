import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const ANSWERS: Readonly<Record<string, [status: string, reason: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Content Too Large', 'the chunk extensions are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the headers took too long'],
};

/** Answers what Node's parser refuses, in one short line, and closes the connection. */
export class BadBytes {
  readonly #last = new WeakMap<Socket, ServerResponse>();

  /** Notes which response is the last that a connection waits for. */
  follow(response: ServerResponse): void {
    this.#last.set(response.req.socket, response);
  }

  refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    const [status, reason] = ANSWERS[error.code ?? ''] ?? ['400 Bad Request', 'this is not HTTP'];
    if (error.code === 'ECONNRESET' || !this.#mayAnswer(socket)) socket.destroy();
    else close(socket, status, reason);
  }

  /** Nobody is led through pool to somewhere else. */
  refuseConnect(socket: Socket): void {
    close(socket, '501 Not Implemented', 'CONNECT is not spoken here');
  }

  /** A refusal must not be taken for the answer to an earlier request, nor for a part of it. */
  #mayAnswer(socket: Socket): boolean {
    const last = this.#last.get(socket);
    if (last === undefined || last.writableFinished) return socket.writable;
    return !last.headersSent && !last.req.complete && last.socket !== null;
  }
}

function close(socket: Socket, status: string, reason: string): void {
  const text = `pool: ${reason}\n`;
  socket.on('error', () => socket.destroy());
  socket.write(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
  );
  socket.destroySoon();
}
