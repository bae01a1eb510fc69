import { html } from '../page/html.ts';
import { layout, type Page } from '../page/layout.ts';
import type { Choice } from '../preview/control.ts';

/** Says that something went otherwise than the visitor wanted, and what to do next. */
export function messagePage(
  title: string,
  message: string,
  next: string,
  site: string,
  refreshS?: number,
): Page {
  return layout({
    title,
    site,
    ...(refreshS === undefined ? {} : { refreshS }),
    body: html`<main>
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
  refreshS: number | undefined,
): Page {
  const again = `Pool looks again in ${refreshS} s; this page then loads by itself.`;
  return layout({
    title: `Nothing is named ${ref}`,
    site,
    ...(refreshS === undefined ? {} : { refreshS }),
    body: html`<main>
      <h1>Nothing is named <span class="id">${ref}</span></h1>
      <p>${reason}</p>
      ${
        near.length > 0 &&
        html`<p>Did you mean:</p>
          ${choiceList(near, site)}`
      }
      ${refreshS !== undefined && html`<p class="soft">${again}</p>`}
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

function choiceList(choices: readonly Choice[], site: string) {
  return html`<ul>
    ${choices.map(({ name, label }) => html`<li><a href="//${label}.${site}/">${name}</a></li>`)}
  </ul>`;
}
