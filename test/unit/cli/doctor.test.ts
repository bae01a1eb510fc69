import { expect, it } from 'vitest';
import { listenersOnAll } from '../../../src/cli/check-machine.ts';

it('listeners on every address are read, and nothing else of the kernel’s table', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue',
    '   0: 00000000:0016 00000000:0000 0A 00000000:00000000',
    '   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000',
    '   2: 00000000:0050 0100007F:C001 01 00000000:00000000',
    '  10: 00000000000000000000000000000000:0CEA 00000000000000000000000000000000:0000 0A 0',
    '  11: 00000000000000000000000001000000:0CEB 00000000000000000000000000000000:0000 0A 0',
    '  12: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0',
  ];
  expect(listenersOnAll(table.join('\n'))).toEqual([22, 3306]);
  expect(listenersOnAll('')).toEqual([]);
});
