import { describe, expect, it } from 'vitest';
import { HostPorts } from '../../../src/run/host-ports.ts';
import { toPort } from '../../../src/address/label.ts';
import { choosePorts, withFound } from '../../../src/run/ports.ts';

const NOTHING = { declared: [], label: undefined, exposed: [], environment: [] };
const USUAL = [8080, 3000, 80, 8000, 5000];
const toRealPort = (digits: string) => toPort(digits) ?? expect.fail();

describe('the ports of a container are chosen by its image', () => {
  it.each([
    ['nothing', [], [], USUAL, 8080, 8080, 'nothing is EXPOSEd, so PORT=8080 was set'],
    ['the only one', ['3000/tcp'], [], [3000], 3000, 3000, 'EXPOSE 3000, the only port'],
    ['without a protocol', ['3000'], [], [3000], 3000, 3000, 'EXPOSE 3000, the only port'],
    [
      'the likeliest',
      ['9000/tcp', '3000/tcp', '22/tcp'],
      [],
      [22, 3000, 9000],
      3000,
      3000,
      'EXPOSE 3000, the likeliest of 22, 3000, 9000',
    ],
    [
      '80 before all',
      ['8080/tcp', '80/tcp'],
      [],
      [80, 8080],
      80,
      80,
      'EXPOSE 80, the likeliest of 80, 8080',
    ],
    [
      'none of the likely',
      ['7001/tcp', '6001/tcp'],
      [],
      [6001, 7001],
      6001,
      6001,
      'EXPOSE 6001, the likeliest of 6001, 7001',
    ],
    ['UDP alone', ['53/udp'], [], USUAL, 8080, 8080, 'nothing is EXPOSEd, so PORT=8080 was set'],
    ['UDP beside', ['53/udp', '53/tcp'], [], [53], 53, 53, 'EXPOSE 53, the only port'],
    ['SCTP', ['80/sctp', '81/tcp'], [], [81], 81, 81, 'EXPOSE 81, the only port'],
    ['PORT alone', [], ['PATH=/bin', 'PORT=5000'], [5000], 5000, 5000, 'PORT=5000 of the image'],
    [
      'PORT and others',
      ['3000/tcp', '9229/tcp'],
      ['PORT=9229'],
      [3000, 9229],
      9229,
      9229,
      'PORT=9229 of the image',
    ],
    [
      'PORT that is a word',
      ['3000/tcp'],
      ['PORT=http'],
      [3000],
      3000,
      3000,
      'EXPOSE 3000, the only port',
    ],
    [
      'PORT out of range',
      [],
      ['PORT=0'],
      USUAL,
      8080,
      8080,
      'nothing is EXPOSEd, so PORT=8080 was set',
    ],
    [
      'another name',
      [],
      ['REPORT=5000', 'PORTS=1'],
      USUAL,
      8080,
      8080,
      'nothing is EXPOSEd, so PORT=8080 was set',
    ],
    [
      'one twice',
      ['3000/tcp', '3000'],
      ['PORT=3000'],
      [3000],
      3000,
      3000,
      'PORT=3000 of the image',
    ],
    [
      'ports out of range',
      ['0/tcp', '65536/tcp', 'x/tcp'],
      [],
      USUAL,
      8080,
      8080,
      'nothing is EXPOSEd, so PORT=8080 was set',
    ],
  ])('%s', (_, exposed, environment, published, port, given, rule) => {
    expect(choosePorts({ ...NOTHING, exposed, environment })).toEqual({
      published,
      port,
      rule,
      environment: given,
      guessed: published === USUAL,
    });
  });

  it('of all words that of .pool.yml counts most, then the label, then PORT, then EXPOSE', () => {
    const sources = {
      declared: [toRealPort('4000'), toRealPort('4001')],
      label: '5000',
      exposed: ['3000/tcp', '80/tcp'],
      environment: ['PORT=6000'],
    };
    const published = [80, 3000, 4000, 4001, 5000, 6000];
    expect(choosePorts(sources)).toEqual({
      published,
      port: 4000,
      rule: 'port 4000 of .pool.yml',
      environment: 4000,
      guessed: false,
    });
    expect(choosePorts({ ...sources, declared: [] })).toEqual({
      published: [80, 3000, 5000, 6000],
      port: 5000,
      rule: 'LABEL dev.pool.port=5000',
      environment: 6000,
      guessed: false,
    });
    expect(choosePorts({ ...sources, declared: [], label: undefined })).toMatchObject({
      port: 6000,
    });
  });

  it('the last PORT of several is the one that the application gets', () => {
    const environment = ['PORT=3000', 'PORT=4000'];
    expect(choosePorts({ ...NOTHING, environment })).toMatchObject({
      published: [4000],
      environment: 4000,
    });
  });

  it.each(['http', '0', '65536', '', '80 '])(
    'a label that is no port is refused: "%s"',
    (label) => {
      expect(() => choosePorts({ ...NOTHING, label })).toThrow(/LABEL dev.pool.port .* no port/);
    },
  );

  it('sixteen ports are published, and seventeen refused', () => {
    const exposed = Array.from({ length: 16 }, (_, index) => `${3000 + index}/tcp`);
    expect(choosePorts({ ...NOTHING, exposed })).toMatchObject({ port: 3000 });
    expect(() => choosePorts({ ...NOTHING, exposed, label: '80' })).toThrow('at most 16');
  });

  it('ports that were found listening come beside the usual ones, the likeliest first', () => {
    const guess = choosePorts(NOTHING);
    const found = [toRealPort('1234'), toRealPort('4000'), toRealPort('9229')];
    expect(withFound(guess, found)).toEqual({
      ...guess,
      published: [1234, 4000, 9229, 8080, 3000, 80, 8000, 5000],
      port: 4000,
      rule: '4000 was found listening, and nothing is EXPOSEd',
    });
  });

  it('of a hundred ports found the likeliest is published, and sixteen at most', () => {
    const found = Array.from({ length: 100 }, (_, index) => toRealPort(String(8801 + index)));
    const { port: likeliest, published } = withFound(choosePorts(NOTHING), found);
    expect([likeliest, published.includes(likeliest), published.length]).toEqual([8888, true, 16]);
  });
});

describe("the host's ports", () => {
  const RANGE = { first: 20_000, last: 20_004 };

  it('are handed out one by one, from a start on, around the range', () => {
    const ports = new HostPorts(RANGE, 0.6);
    expect(ports.take(2, 0)).toEqual([20_003, 20_004]);
    expect(ports.take(2, 0)).toEqual([20_000, 20_001]);
    expect(ports.take(1, 0)).toEqual([20_002]);
  });

  it.each([0, 0.999_999])('begin inside the range for %f', (start) => {
    const [port = 0] = new HostPorts(RANGE, start).take(1, 0);
    expect(port).toBeGreaterThanOrEqual(RANGE.first);
    expect(port).toBeLessThanOrEqual(RANGE.last);
  });

  it('rest for a minute before another container gets them', () => {
    const ports = new HostPorts(RANGE, 0);
    const all = ports.take(5, 0);
    ports.release(all.slice(0, 1), 1000);
    expect(() => ports.take(1, 1000)).toThrow(Error);
    expect(() => ports.take(1, 60_999)).toThrow(Error);
    expect(ports.take(1, 61_000)).toEqual([20_000]);
  });

  it('of containers that were found again are not handed out', () => {
    const ports = new HostPorts(RANGE, 0);
    ports.claim([20_000, 20_002]);
    expect(ports.take(3, 0)).toEqual([20_001, 20_003, 20_004]);
  });

  it('that are all taken are an error in words, and none is taken in vain', () => {
    const ports = new HostPorts(RANGE, 0);
    ports.take(4, 0);
    expect(() => ports.take(2, 0)).toThrow('All host ports from 20000 to 20004 are taken.');
    expect(ports.take(1, 0)).toEqual([20_004]);
  });

  it('of one container are all different', () => {
    expect(new Set(new HostPorts(RANGE, 0.5).take(5, 0)).size).toBe(5);
  });

  it('of a range of one are that one', () => {
    expect(new HostPorts({ first: 20_000, last: 20_000 }, 0.9).take(1, 0)).toEqual([20_000]);
  });
});
