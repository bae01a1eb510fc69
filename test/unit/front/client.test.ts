import { describe, expect, it } from 'vitest';
import { clientOf } from '../../../src/front/client.ts';

const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8';

describe('who asks is told by the head of the request', () => {
  it.each([
    [
      'a browser that navigates',
      'GET',
      { 'sec-fetch-mode': 'navigate', accept: HTML },
      'navigation',
      'html',
    ],
    ['a browser on plain HTTP', 'GET', { accept: HTML }, 'navigation', 'html'],
    ['a HEAD of a browser', 'HEAD', { accept: HTML }, 'navigation', 'html'],
    [
      'a form that is sent',
      'POST',
      { 'sec-fetch-mode': 'navigate', accept: HTML },
      'other',
      'html',
    ],
    [
      'fetch() that accepts HTML',
      'GET',
      { 'sec-fetch-mode': 'cors', accept: HTML },
      'other',
      'html',
    ],
    [
      'a script',
      'GET',
      { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script', accept: '*/*' },
      'other',
      'json',
    ],
    ['only Sec-Fetch-Site', 'GET', { 'sec-fetch-site': 'none', accept: HTML }, 'other', 'html'],
    ['curl', 'GET', { 'user-agent': 'curl/8.5', accept: '*/*' }, 'other', 'json'],
    ['axios', 'GET', { 'user-agent': 'axios/1.7', accept: 'application/json' }, 'other', 'json'],
    ['python', 'GET', { 'user-agent': 'python-requests/2.31', accept: '*/*' }, 'other', 'json'],
    ['Go', 'GET', { 'user-agent': 'Go-http-client/1.1' }, 'other', 'json'],
    [
      'headless Chromium',
      'GET',
      { 'user-agent': 'HeadlessChrome/120', 'sec-fetch-mode': 'navigate' },
      'navigation',
      'html',
    ],
    ['no header at all', 'GET', {}, 'other', 'json'],
    [
      'Googlebot',
      'GET',
      { 'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1)', accept: HTML },
      'robot',
      'html',
    ],
    [
      'Slackbot',
      'GET',
      { 'user-agent': 'Slackbot-LinkExpanding 1.0', accept: '*/*' },
      'robot',
      'json',
    ],
    ['Twitterbot in capitals', 'GET', { 'user-agent': 'TWITTERBOT/1.0' }, 'robot', 'json'],
    ['a HEAD of a robot', 'HEAD', { 'user-agent': 'Discordbot/2.0' }, 'robot', 'json'],
    ['a POST of a robot', 'POST', { 'user-agent': 'Googlebot' }, 'other', 'json'],
    [
      'a prefetch',
      'GET',
      { 'sec-purpose': 'prefetch', 'sec-fetch-mode': 'navigate', accept: HTML },
      'robot',
      'html',
    ],
    ['a prerender', 'GET', { 'sec-purpose': 'prefetch;prerender', accept: HTML }, 'robot', 'html'],
    ['an old prefetch', 'GET', { purpose: 'prefetch', accept: HTML }, 'robot', 'html'],
    ['an old prefetch of Firefox', 'GET', { 'x-moz': 'prefetch', accept: HTML }, 'robot', 'html'],
    [
      'a browser whose name has a dot where the list has',
      'GET',
      { 'user-agent': 'PingdomXcom_bot', accept: HTML },
      'navigation',
      'html',
    ],
  ])('%s', (_, method, headers, kind, format) => {
    expect(clientOf(method, headers)).toMatchObject({ kind, format });
  });
});

describe('Prefer is honoured', () => {
  it.each([
    [undefined, undefined, false],
    ['wait=10', 10_000, false],
    ['wait = 10', 10_000, false],
    ['wait="10"', 10_000, false],
    ['WAIT=10', 10_000, false],
    ['wait=0', 0, false],
    ['respond-async', undefined, true],
    ['respond-async, wait=10', 10_000, true],
    ['respond-async; foo=bar, wait=10; x', 10_000, true],
    ['wait=1, wait=2', 1000, false],
    ['wait=-1', undefined, false],
    ['wait=ten', undefined, false],
    ['wait=99999999999999999999', undefined, false],
    ['wait', undefined, false],
    ['return=minimal', undefined, false],
  ])('%s', (prefer, waitMs, respondAsync) => {
    const headers = prefer === undefined ? {} : { prefer };
    expect(clientOf('POST', headers)).toMatchObject({ waitMs, respondAsync });
  });
});
