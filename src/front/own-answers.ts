import type { Address } from '../address/host.ts';
import { formatLabel } from '../address/label.ts';
import type { Route, Visit } from '../preview/control.ts';
import { pageAnswer, problemAnswer } from './answers.ts';
import type { Client } from './client.ts';
import type { Decision } from './decide.ts';
import type { Answer } from './exchange.ts';
import { choicePage, messagePage, portPage, unknownPage } from './other-pages.ts';
import { cardPage, failurePage, type PreviewPageParts, waitingPage } from './preview-pages.ts';
import { POOL_PATH } from './pool-paths.ts';
import { Refusal } from './refusal.ts';

/** Answers of pool's own about a preview. */
export function previewAnswer(
  decision: Exclude<Decision, { do: 'forward' | 'hold' }>,
  parts: PreviewPageParts,
): Answer {
  const { view, site } = parts;
  const commit = { 'x-pool-commit': view.commit };
  switch (decision.do) {
    case 'card':
      return pageAnswer(200, cardPage(view, site), commit);
    case 'waiting-page':
      return pageAnswer(503, waitingPage(parts), { ...commit, 'retry-after': '2' });
    case 'failure-page':
      return pageAnswer(502, failurePage(parts), commit);
    case 'accepted':
      return {
        status: 202,
        headers: { ...commit, location: POOL_PATH, 'retry-after': '2' },
        body: '',
      };
    case 'problem': {
      const { phase } = view.state;
      const more = { phase, commit: view.commit, repository: view.repository };
      if (view.state.phase === 'failed') {
        const { message, next, code } = view.state.failure;
        return problemAnswer(502, 'The preview failed', message, { ...more, code, next }, commit);
      }
      const detail = `The preview is ${phase} and was not ready in time.`;
      return problemAnswer(503, 'Not ready yet', detail, more, { ...commit, 'retry-after': '2' });
    }
  }
}

/** Answers to addresses that lead to no preview. */
export function lostAnswer(
  visit: Exclude<Visit, { kind: 'preview' }>,
  { ref, site }: Address,
  { format }: Client,
): Answer {
  switch (visit.kind) {
    case 'unknown': {
      const { retryAfterMs: ms } = visit;
      const seconds = ms === undefined ? undefined : Math.ceil(ms / 1000);
      const headers = retryAfter(seconds);
      if (format === 'html') {
        return pageAnswer(404, unknownPage(ref, visit.reason, visit.near, site, seconds), headers);
      }
      return problemAnswer(404, 'Unknown ref', visit.reason, { near: visit.near }, headers);
    }
    case 'ambiguous': {
      if (format === 'html') return pageAnswer(300, choicePage(ref, visit.choices, site));
      const detail = 'Several things have this name.';
      return problemAnswer(300, 'Ambiguous ref', detail, { choices: visit.choices });
    }
    case 'refused': {
      const { message, next, code } = visit.failure;
      const refusal = new Refusal(503, 'Not now', message, next, 5);
      return refusalAnswer(refusal, site, format, { code });
    }
  }
}

/** An address names a port that its preview does not publish. */
export function noSuchPort(
  { ref, repository, port, site }: Address,
  { commit, endpoint }: Route,
  { format }: Client,
): Answer {
  const choices = Object.keys(endpoint.published).flatMap((published) => {
    const label = formatLabel(ref, repository, Number(published));
    return label === undefined ? [] : [{ name: `port ${published}`, label }];
  });
  const headers = { 'x-pool-commit': commit };
  if (format === 'html') {
    return pageAnswer(404, portPage(String(port), endpoint.portRule, choices, site), headers);
  }
  const ports = Object.keys(endpoint.published).join(', ');
  const detail = `This preview publishes the ports ${ports}, and not ${port}.`;
  return problemAnswer(404, 'No such port', detail, { choices }, headers);
}

/** The application has a route, but gave no answer; or pool did not let the request through to it. */
export function silentAnswer(
  { site }: Pick<Address, 'site'>,
  { format }: Pick<Client, 'format'>,
  error: NodeJS.ErrnoException,
): Answer {
  if (error instanceof Refusal) return refusalAnswer(error, site, format);
  const silent = new Refusal(
    502,
    'No answer',
    'The application at this commit did not answer, or closed the connection.',
    'It may be restarting; this page goes on by itself when it is back. /_pool/ tells more.',
    // Nobody listens: its end, or its next start, is known in a moment.
    error.code === 'ECONNREFUSED' ? 1 : 2,
  );
  return refusalAnswer(silent, site, format);
}

/** The control plane is away: only its own pages are. Or the visitor is at fault, as `error` says. */
export function deskAway(site: string, error: Error): Answer {
  if (error instanceof Refusal) return refusalAnswer(error, site, 'html');
  const message = 'Its own pages are back in a moment.';
  const refusal = new Refusal(503, 'Pool is restarting', message, 'Previews go on.', 2);
  return refusalAnswer(refusal, site, 'html');
}

/** Pool ends: what it holds is let go of, to be asked of the next one. */
export function restarting(site: string, { format }: Client): Answer {
  const refusal = new Refusal(
    503,
    'Pool is restarting',
    'Pool is going down, and made no more of this preview.',
    'This goes on by itself when it is back.',
    2,
  );
  return refusalAnswer(refusal, site, format);
}

/** No more requests are held. */
export function tooMany(limit: number): Answer {
  const detail = `Pool holds ${limit} requests already.`;
  return problemAnswer(503, 'Too many held requests', detail, {}, { 'retry-after': '5' });
}

/** A page asks again by itself; what need not be asked again is no page. */
function refusalAnswer(
  { status, title, message, next, retryAfterS }: Refusal,
  site: string,
  format: Client['format'],
  more: Record<string, unknown> = {},
): Answer {
  const headers = retryAfter(retryAfterS);
  if (format === 'html' && retryAfterS !== undefined) {
    const page = messagePage(title, message, next, site, { status, everyS: retryAfterS });
    return pageAnswer(status, page, headers);
  }
  return problemAnswer(status, title, message, { next, ...more }, headers);
}

function retryAfter(seconds: number | undefined): Record<string, string> {
  return seconds === undefined ? {} : { 'retry-after': String(seconds) };
}
