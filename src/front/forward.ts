import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ClientSide, originForm, requestHeaders, responseHeaders } from './headers.ts';
import type { Upstream } from './upstream.ts';

/** May be sent twice without harm (RFC 9110, section 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What a forwarded exchange needs beside its two ends. */
export interface ForwardOptions {
  client: ClientSide;
  /** Headers of pool's own for the answer, name and value in turn. */
  own: readonly string[];
  /** Called when the answer begins. */
  onAnswer: () => void;
  /** Called instead of an answer where the upstream gives none. */
  onFailure: (error: NodeJS.ErrnoException) => void;
}

/**
 * Sends a request on and streams the answer back. A visitor who leaves frees the upstream at once;
 * an upstream that dies in the middle cuts the answer short, so that nobody takes it for whole.
 */
export function forward(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: Upstream,
  options: ForwardOptions,
  retried = false,
): void {
  if (upstream.disposed) return options.onFailure(new Error('the route went a moment ago'));
  const outgoing = upstream.request({
    method: request.method ?? 'GET',
    path: originForm(request.url ?? '/'),
    headers: requestHeaders(request.rawHeaders, options.client),
  });
  const leave = () => outgoing.destroy();
  response.once('close', leave);
  const fail = (error: NodeJS.ErrnoException) => {
    response.off('close', leave);
    if (response.headersSent || response.destroyed) {
      response.destroy();
    } else if (!retried && mayRepeat(request, outgoing.reusedSocket)) {
      forward(request, response, upstream, options, true);
    } else {
      options.onFailure(error);
    }
  };

  outgoing.once('response', (answer) => {
    response.sendDate = false;
    const headers = responseHeaders(answer.rawHeaders, options.own);
    try {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, headers);
    } catch (error) {
      // A status or header that Node reads but does not write.
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    options.onAnswer();
    response.flushHeaders();
    answer.once('aborted', () => response.destroy());
    answer.once('error', () => response.destroy());
    answer.pipe(response);
  });
  // Nobody asked for a 101: what follows it is no HTTP.
  outgoing.once('upgrade', (_answer, socket) => {
    socket.destroy();
    fail(new Error('the application switched protocols unasked'));
  });
  outgoing.once('continue', () => response.writeContinue());
  outgoing.once('error', fail);
  request.pipe(outgoing);
}

/** An idle connection that the application closed just now says nothing about the application. */
function mayRepeat(request: IncomingMessage, reusedSocket: boolean): boolean {
  const { headers, method = '' } = request;
  const bodyless =
    headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
  return reusedSocket && bodyless && SAFE.has(method);
}
