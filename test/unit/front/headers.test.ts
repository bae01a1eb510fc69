import { describe, expect, it } from 'vitest';
import { requestHeaders, responseHeaders, trailers } from '../../../src/front/headers.ts';

const FORWARDED =
  'X-Forwarded-For 192.0.2.1 X-Forwarded-Host main.pool.dev X-Forwarded-Proto https'.split(' ');

const sent = (...headers: string[]) => requestHeaders(headers, FORWARDED);

describe("a request's headers", () => {
  it('keep their order, their case and their doubles', () => {
    const headers = ['HOST', 'main.pool.dev', 'x-B', '1', 'X-a', '2', 'x-b', '3', 'Cookie', 'a=b'];
    expect(sent(...headers)).toEqual([...headers, ...FORWARDED]);
  });

  it.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'TE',
    'Upgrade',
    'Forwarded',
    'X-Forwarded-For',
    'X-FORWARDED-HOST',
    'x-forwarded-proto',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X-Forwarded-Server',
    'X-Forwarded-Ssl',
    'X-Real-IP',
  ])('lose what the client says in %s', (name) => {
    expect(sent('Host', 'a', name, 'believe-me')).toEqual(['Host', 'a', ...FORWARDED]);
  });

  it('lose what Connection names', () => {
    const headers = [
      'Connection',
      'close, X-Hop',
      'x-hop',
      '1',
      'connection',
      'Other',
      'OTHER',
      '2',
    ];
    expect(sent('Host', 'a', ...headers)).toEqual(['Host', 'a', ...FORWARDED]);
  });

  it.each(['Host', 'Content-Length'])(
    'keep %s also where Connection names it, for the message would be another without',
    (name) => {
      expect(sent('Connection', name.toLowerCase(), name, '1')).toEqual([name, '1', ...FORWARDED]);
    },
  );

  it('tell a chunked body as such, and never twice', () => {
    expect(sent('Transfer-Encoding', 'chunked')).toEqual([
      'Transfer-Encoding',
      'chunked',
      ...FORWARDED,
    ]);
    expect(sent('Connection', 'transfer-encoding', 'transfer-encoding', 'Chunked')).toEqual([
      'Transfer-Encoding',
      'chunked',
      ...FORWARDED,
    ]);
  });
});

it.each([
  [
    ['Transfer-Encoding', 'chunked', 'Trailer', 'X-Sum'],
    ['Trailer', 'X-Sum', 'Transfer-Encoding', 'chunked'],
  ],
  [
    ['Content-Length', '3', 'Trailer', 'X-Sum'],
    ['Content-Length', '3'],
  ],
])('Trailer is kept where there may be trailers: %o', (headers, told) => {
  expect(sent(...headers)).toEqual([...told, ...FORWARDED]);
});

it('trailers keep order, case and doubles, and say nothing that frames, addresses or vouches', () => {
  const kept = ['X-Sum', '1', 'x-sum', '2'];
  const dropped =
    'Content-Length 3 HOST a Transfer-Encoding chunked X-Forwarded-For a Trailer b'.split(' ');
  expect(trailers([...dropped, ...kept])).toEqual([
    ['X-Sum', '1'],
    ['x-sum', '2'],
  ]);
});

describe("an answer's headers", () => {
  it("keep order, case and doubles, and end with pool's own", () => {
    const headers = ['set-cookie', 'a', 'Set-Cookie', 'b', 'Server', 'x', 'date', 'y'];
    expect(responseHeaders(headers, ['X-Pool-Commit', 'c'])).toEqual([
      ...headers,
      'X-Pool-Commit',
      'c',
    ]);
  });

  it('lose those of the connection and those that pool sets itself', () => {
    const headers = ['Connection', 'close, x-hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5'];
    const told = [...headers, 'Transfer-Encoding', 'chunked', 'x-pool-commit', 'forged', 'A', 'b'];
    expect(responseHeaders(told, ['X-Pool-Commit', 'c'])).toEqual(['A', 'b', 'X-Pool-Commit', 'c']);
  });
});
