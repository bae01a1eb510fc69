import { html } from '../page/html.ts';
import { layout, type Page, readScript } from '../page/layout.ts';
import type { Choice } from '../preview/control.ts';

/** A page that is out of date soon: it asks again by itself, every so many seconds. */
interface Passing {
  /** The status that it was sent with; another one is news. */
  status: number;
  everyS: number;
}

const AGAIN = readScript(new URL('again.client.js', import.meta.url));

/** Says that something went otherwise than the visitor wanted, and what to do next. */
export function messagePage(
  title: string,
  message: string,
  next: string,
  site: string,
  { status, everyS }: Passing,
): Page {
  return layout({
    title,
    site,
    script: AGAIN,
    refreshS: everyS,
    body: html`<main data-status="${status}" data-every="${everyS}">
      <h1>${title}</h1>
      <p>${message}</p>
      <p class="soft">${next}</p>
    </main>`,
  });
}

/** An address that names nothing, with names that are near. */
export function unknownPage(
  ref: string,
  reason: string,
  near: readonly Choice[],
  site: string,
  everyS: number | undefined,
): Page {
  const again = `Pool looks again in ${everyS} s; this page then goes on by itself.`;
  return layout({
    title: `Nothing is named ${ref}`,
    site,
    ...(everyS === undefined ? {} : { script: AGAIN, refreshS: everyS }),
    body: html`<main data-status="404" data-every="${everyS}">
      <h1>Nothing is named <span class="id">${ref}</span></h1>
      <p>${reason}</p>
      ${
        near.length > 0 &&
        html`<p>Did you mean:</p>
          ${choiceList(near, site)}`
      }
      ${everyS !== undefined && html`<p class="soft">${again}</p>`}
      <p><a href="//${site}/">All branches and tags</a></p>
    </main>`,
  });
}

/** An address that several things answer to. */
export function choicePage(ref: string, choices: readonly Choice[], site: string): Page {
  return layout({
    title: `${ref} means several things`,
    site,
    body: html`<main>
      <h1><span class="id">${ref}</span> means several things</h1>
      <p>Choose one:</p>
      ${choiceList(choices, site)}
    </main>`,
  });
}

/** A port that a preview does not publish, and those that it does. */
export function portPage(
  port: string,
  rule: string,
  choices: readonly Choice[],
  site: string,
): Page {
  return layout({
    title: `Port ${port} is not published`,
    site,
    body: html`<main>
      <h1>Port <span class="id">${port}</span> is not published</h1>
      <p>This preview publishes:</p>
      ${choiceList(choices, site)}
      <p class="soft">The address without a port: ${rule}.</p>
      <p><a href="/_pool/">More about this preview</a></p>
    </main>`,
  });
}

function choiceList(choices: readonly Choice[], site: string) {
  return html`<ul>
    ${choices.map(({ name, label }) => html`<li><a href="//${label}.${site}/">${name}</a></li>`)}
  </ul>`;
}
