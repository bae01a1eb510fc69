import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Html, html, raw } from './html.ts';

/** A page, and the headers that it must be sent with. */
export interface Page {
  body: string;
  headers: Record<string, string>;
}

/** What a page is made of. */
export interface PageParts {
  title: string;
  /** Where pool's own page is: `pool.localhost:8080`. */
  site: string;
  body: Html;
  script?: Script;
  /** Seconds after which the page loads anew where it cannot update itself. */
  refreshS?: number;
}

/** A script of pool's own, with the hash that lets the content policy name it. */
export interface Script {
  text: string;
  hash: string;
}

/** Reads a script that lies beside the module that uses it. */
export function readScript(url: URL): Script {
  const text = readFileSync(url, 'utf8').trim();
  return { text, hash: sourceHash(text) };
}

const STYLE = readFileSync(new URL('style.css', import.meta.url), 'utf8').trim();
const STYLE_HASH = sourceHash(STYLE);

/** Two ripples: drawn inline, so that a page loads nothing from anywhere. */
const MARK = raw(
  '<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="3"/><circle cx="12" cy="12" r="7"/><circle cx="12" cy="12" r="11"/></svg>',
);

/** Renders a page; its policy allows just its own style and script, and talking to its own host. */
export function layout({ title, site, body, script, refreshS }: PageParts): Page {
  const refresh =
    refreshS !== undefined && html`<meta http-equiv="refresh" content="${refreshS}" />`;
  // Without a script the page loads anew; with one it must not, or it would lose its place.
  const reload = script === undefined ? refresh : refresh && html`<noscript>${refresh}</noscript>`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        ${reload}
        <link rel="icon" href="data:," />
        ${element('style', STYLE)}
      </head>
      <body>
        <header>
          <a class="home" href="//${site}/">${MARK}<span>pool</span></a>
        </header>
        ${body}
        ${script !== undefined && element('script', script.text)}
      </body>
    </html> `;
  const policy = [
    "default-src 'none'",
    `style-src '${STYLE_HASH}'`,
    ...(script === undefined ? [] : [`script-src '${script.hash}'`]),
    "connect-src 'self'",
    'img-src data:',
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    body: page.text,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store',
      'x-robots-tag': 'noindex',
    },
  };
}

/** Nothing may stand between the tags but the text that was hashed. */
function element(name: 'script' | 'style', text: string): Html {
  return raw(`<${name}>${text}</${name}>`);
}

function sourceHash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
