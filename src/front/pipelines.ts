import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const ANSWERS: Readonly<Record<string, [status: string, reason: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Content Too Large', 'the chunk extensions are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the headers took too long'],
};

/** Requests of one connection that may be here and unanswered; nobody writes so many ahead. */
const PIPELINE_LIMIT = 100;

/**
 * The order on each connection: a request is begun when the one before it was answered, and what
 * Node's parser refuses is answered in one short line, which ends the connection.
 */
export class Pipelines {
  readonly #lines = new WeakMap<Socket, { last: ServerResponse; open: number }>();

  /** Calls `begin` when it is a response's turn. */
  follow(response: ServerResponse, begin: () => void): void {
    const { socket } = response.req;
    const line = this.#lines.get(socket) ?? { last: response, open: 0 };
    const before = line.open > 0 ? line.last : undefined;
    // Most are not the first on their connection.
    if (line.last === response) this.#lines.set(socket, line);
    line.last = response;
    line.open += 1;
    response.on('close', () => (line.open -= 1));
    if (line.open > PIPELINE_LIMIT) socket.destroy();
    else if (before === undefined) begin();
    else before.once('close', begin);
  }

  /** True while an answer is owed on a connection. */
  isBusy(socket: Socket): boolean {
    return (this.#lines.get(socket)?.open ?? 0) > 0;
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
    const { last, open = 0 } = this.#lines.get(socket) ?? {};
    if (last === undefined || open === 0) return socket.writable;
    return open === 1 && !last.headersSent && !last.req.complete;
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
