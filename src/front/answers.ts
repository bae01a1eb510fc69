import type { Page } from '../page/layout.ts';
import type { Answer } from './exchange.ts';

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
};

/** A page as an answer. */
export function pageAnswer(status: number, page: Page, more: Record<string, string> = {}): Answer {
  return { status, headers: { ...page.headers, ...more }, body: page.body };
}

/** Data as an answer. */
export function jsonAnswer(
  status: number,
  value: object,
  more: Record<string, string> = {},
): Answer {
  const headers = { 'content-type': 'application/json; charset=utf-8', ...HEADERS, ...more };
  return { status, headers, body: `${JSON.stringify(value, null, 2)}\n` };
}

/** A problem document (RFC 9457): `title` names the kind, `detail` says what happened here. */
export function problemAnswer(
  status: number,
  title: string,
  detail: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Answer {
  return jsonAnswer(
    status,
    { type: 'about:blank', title, status, detail, ...more },
    { 'content-type': 'application/problem+json; charset=utf-8', ...headers },
  );
}

/** Plain text as an answer. */
export function textAnswer(status: number, text: string): Answer {
  const headers = { 'content-type': 'text/plain; charset=utf-8', ...HEADERS };
  return { status, headers, body: text };
}
