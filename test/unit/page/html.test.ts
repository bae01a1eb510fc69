import { describe, expect, it } from 'vitest';
import { html, raw } from '../../../src/page/html.ts';

describe('a template', () => {
  it.each([
    ['<b>', '&lt;b&gt;'],
    ['"', '&quot;'],
    ["'", '&#39;'],
    ['&amp;', '&amp;amp;'],
    ['</script>', '&lt;/script&gt;'],
    ['$&', '$&amp;'],
    [3, '3'],
    [0, '0'],
    ['', ''],
    [undefined, ''],
    [false, ''],
    [['<', raw('<br>'), 1], '&lt;<br>1'],
    [[], ''],
  ] as const)('escapes %o as %s', (value, text) => {
    expect(html`<p title="${value}">${value}</p>`.text).toBe(`<p title="${text}">${text}</p>`);
  });

  it('leaves markup of its own as it is', () => {
    expect(html`<p>${html`<b>${'<'}</b>`}</p>`.text).toBe('<p><b>&lt;</b></p>');
    expect(String(raw('<br>'))).toBe('<br>');
  });

  it('takes nothing for markup that only looks like it', () => {
    const forged = { text: '<b>', toString: () => '<b>' } as unknown as string;
    expect(() => html`${forged}`).toThrow(TypeError);
  });
});
