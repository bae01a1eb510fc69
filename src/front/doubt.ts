import type { IncomingMessage } from 'node:http';
import type { Destination } from '../address/host.ts';
import { isPlainlyFramed } from './headers.ts';
import { hasBody } from './places.ts';
import { isWebSocket } from './tunnel.ts';

/** Why a request goes nowhere. */
export function doubtOf(
  destination: Destination,
  request: IncomingMessage,
): { status: number; reason: string } | undefined {
  if (destination.kind === 'refused') return destination;
  const lost = { status: 404, reason: 'no WebSocket is spoken here' };
  return (
    misread(request) ?? (destination.kind === 'desk' && isWebSocket(request) ? lost : undefined)
  );
}

/** What Node's strict parser lets through, and another parser could read as another message. */
function misread(request: IncomingMessage): { status: number; reason: string } | undefined {
  const { httpVersion, rawHeaders, url = '/' } = request;
  if (!/^1\.[01]$/.test(httpVersion)) {
    return { status: 505, reason: 'only HTTP/1.1 is spoken here' };
  }
  if (!isPlainlyFramed(rawHeaders)) {
    return { status: 501, reason: 'the only transfer coding is chunked' };
  }
  if (httpVersion === '1.0' && request.headers['transfer-encoding'] !== undefined) {
    return { status: 400, reason: 'HTTP/1.0 has no transfer codings' };
  }
  if (url.includes('#')) return { status: 400, reason: 'a target has no fragment' };
  if (isWebSocket(request) && hasBody(request)) {
    return { status: 400, reason: 'a WebSocket opens without a body' };
  }
  return undefined;
}
