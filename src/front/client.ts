import type { IncomingHttpHeaders } from 'node:http';

/** Who asks, as far as it decides what pool answers. */
export interface Client {
  /** A navigation shows what it gets to a person; a robot must start and wake nothing. */
  kind: 'navigation' | 'robot' | 'other';
  /** What pool's own answers are written in. */
  format: 'html' | 'json';
  /** `Prefer: wait=N` in ms (RFC 7240, section 4.3). */
  waitMs: number | undefined;
  /** `Prefer: respond-async` (RFC 7240, section 4.1). */
  respondAsync: boolean;
}

/** Crawlers and link unfurlers by the product token that their makers publish. */
const ROBOTS = [
  'Googlebot', // developers.google.com/search/docs/crawling-indexing/overview-google-crawlers
  'bingbot', // www.bing.com/webmasters/help/which-crawlers-does-bing-use-8c184ec0
  'DuckDuckBot', // duckduckgo.com/duckduckgo-help-pages/results/duckduckbot
  'YandexBot', // yandex.com/support/webmaster/robot-workings/check-yandex-robots.html
  'Applebot', // support.apple.com/en-us/119829
  'GPTBot', // platform.openai.com/docs/bots
  'ClaudeBot', // support.anthropic.com/en/articles/8896518
  'CCBot', // commoncrawl.org/ccbot
  'Slackbot', // api.slack.com/robots
  'Slack-ImgProxy', // api.slack.com/robots
  'Twitterbot', // developer.x.com/en/docs/twitter-for-websites/cards/guides/getting-started
  'facebookexternalhit', // developers.facebook.com/docs/sharing/webmasters/web-crawlers
  'LinkedInBot', // www.linkedin.com/help/linkedin/answer/a521928
  'Discordbot', // discord.com/developers/docs/reference#user-agent
  'TelegramBot', // core.telegram.org/bots/webapps and telegram.org/blog/instant-view
  'WhatsApp', // developers.facebook.com/docs/whatsapp/link-previews
  'SkypeUriPreview', // learn.microsoft.com/en-us/microsoftteams/troubleshoot
  'Mattermost-Bot', // docs.mattermost.com/configure/site-configuration-settings.html#enable-link-previews
  'UptimeRobot', // uptimerobot.com/help/locations
  'Pingdom.com_bot', // www.pingdom.com/knowledgebase
];
const ROBOT = new RegExp(
  ROBOTS.map((token) => token.replaceAll('.', String.raw`\.`)).join('|'),
  'i',
);

/** What the head of a request tells of its client. */
export function clientOf(method: string, headers: IncomingHttpHeaders): Client {
  const reads = method === 'GET' || method === 'HEAD';
  const accept = headers.accept ?? '';
  const kind =
    reads && isRobot(headers) ? 'robot' : reads && isNavigation(headers) ? 'navigation' : 'other';
  const wantsHtml = kind === 'navigation' || /\btext\/html\b/i.test(accept);
  return { kind, format: wantsHtml ? 'html' : 'json', ...preferences(headers['prefer']) };
}

function isRobot(headers: IncomingHttpHeaders): boolean {
  // A prefetch is nobody's visit yet: wicg.github.io/nav-speculation/prefetch.html
  const purpose = [headers['sec-purpose'], headers['purpose'], headers['x-moz']].join(' ');
  return (
    ROBOT.test(headers['user-agent'] ?? '') || /\b(prefetch|prerender|preview)\b/i.test(purpose)
  );
}

function isNavigation(headers: IncomingHttpHeaders): boolean {
  const told = Object.keys(headers).some((name) => name.startsWith('sec-fetch-'));
  // www.w3.org/TR/fetch-metadata: sent only to trustworthy origins, https or localhost.
  if (told) return headers['sec-fetch-mode'] === 'navigate';
  return /\btext\/html\b/i.test(headers.accept ?? '');
}

function preferences(
  prefer: string | string[] | undefined,
): Pick<Client, 'waitMs' | 'respondAsync'> {
  const parts = [prefer ?? []].flat().join(',').split(',');
  const names = parts.map((part) => (part.split(';')[0] ?? '').trim().toLowerCase());
  const wait = names.map((name) => /^wait\s*=\s*"?([0-9]{1,6})"?$/.exec(name)?.[1]).find(Boolean);
  return {
    waitMs: wait === undefined ? undefined : Number(wait) * 1000,
    respondAsync: names.includes('respond-async'),
  };
}
