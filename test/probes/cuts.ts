import { speaksElevenTo } from './application.ts';
import type { Step } from './hostile-application.ts';
import { hold, NotApplicable, type Probe, see, type Target } from './probe.ts';
import { Wire } from './wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CLOSE: Step = { do: 'close' };
const PAUSE: Step = { do: 'wait', ms: 30 };
/** "Soon", for a client that waits. */
const SOON_MS = 2000;

/** The answer to a GET is begun, and then cut: the client must see that, and soon. */
async function cut(target: Target, ...answer: readonly Step[]): Promise<void> {
  const play = await target.application.play([...answer, PAUSE, CLOSE]);
  using wire = new Wire(target);
  const seen = await answerOrEnd(wire.ask(play));
  if (seen !== undefined && seen.status !== 502) see('the answer is whole', seen.complete, false);
}

/** An answer, or nothing where the connection was closed instead. */
async function answerOrEnd(wire: Wire, method = 'GET') {
  return await wire.answer(method, SOON_MS).catch((error: unknown) => {
    if (!wire.closed) throw error;
  });
}

/** What a client is told where no answer came of it; and how often the application was asked. */
async function unanswered(target: Target, line: string, ...steps: readonly Step[]) {
  const play = await target.application.play(steps);
  using wire = new Wire(target);
  const body = line.startsWith('POST');
  wire.ask(play, line, ...(body ? ['Content-Length: 5'] : [])).write(body ? 'hello' : '');
  const { status } = await wire.answer('GET', SOON_MS);
  see('status', status, 502);
  return (await play.seen()).requests.length;
}

/**
 * Sends a request on a connection that the application has answered on before and now closes
 * without a word: how often it was asked on such a connection and on fresh ones.
 */
async function resetWhenReused(target: Target, line: string, ...headers: readonly string[]) {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const play = await target.application.play([OK], [CLOSE]);
    const warming = await target.application.play([OK], [OK]);
    using wire = new Wire(target);
    await wire.ask(warming).answer();
    wire.ask(play, line, ...headers).write(headers.length > 0 ? 'hello' : '');
    const answer = await wire.answer(line.split(' ')[0], SOON_MS).catch(() => undefined);
    const { requests } = await play.seen();
    const reused = requests.filter(({ nth }) => nth > 0).length;
    if (reused > 0) return { status: answer?.status, reused, fresh: requests.length - reused };
  }
  throw new NotApplicable('it reuses no connection');
}

const list: readonly Omit<Probe, 'family'>[] = [
  {
    name: 'an answer cut short of its length reaches the client as a cut',
    run: async (target) => await cut(target, 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  },
  {
    name: 'an answer cut between two chunks reaches the client as a cut',
    run: async (target) =>
      await cut(target, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'),
  },
  {
    name: 'an answer cut inside a chunk reaches the client as a cut',
    run: async (target) =>
      await cut(target, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf'),
  },
  {
    name: 'an answer cut before its trailers end reaches the client as a cut',
    run: async (target) =>
      await cut(
        target,
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-S',
      ),
  },
  {
    name: 'a body that is no chunk where one must be reaches the client as a cut',
    run: async (target) =>
      await cut(
        target,
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
        PAUSE,
        'garbage\r\n\r\n',
        { do: 'silence' },
      ),
  },
  {
    name: 'a cut answer that an HTTP/1.0 client could take for whole ends with a reset',
    own: true,
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf',
        PAUSE,
        CLOSE,
      ]);
      using wire = new Wire(target);
      await wire.ask(play, 'GET / HTTP/1.0').end(SOON_MS);
      await speaksElevenTo(play);
      hold('a reset', wire.wasReset || / 502 /.test(wire.text), wire.text);
    },
  },
  {
    name: 'an application that closes without an answer is a 502, soon',
    async run(target) {
      const asked = await unanswered(target, 'GET / HTTP/1.1', CLOSE);
      hold('one or two tries', asked === 1 || asked === 2, asked);
    },
  },
  {
    name: 'an application that closes inside its headers is a 502, soon',
    run: async (target) =>
      void (await unanswered(target, 'GET / HTTP/1.1', 'HTTP/1.1 200 OK\r\nX-Ha', PAUSE, CLOSE)),
  },
  {
    name: 'an application that closes after an interim answer is a 502 or a cut, soon',
    async run(target) {
      const play = await target.application.play([
        'HTTP/1.1 103 Early Hints\r\n\r\n',
        PAUSE,
        CLOSE,
      ]);
      using wire = new Wire(target);
      const answer = await answerOrEnd(wire.ask(play));
      hold('502 or nothing', answer === undefined || answer.status === 502, answer);
    },
  },
  {
    name: 'an application that does not speak HTTP is a 502, soon',
    run: async (target) =>
      void (await unanswered(target, 'GET / HTTP/1.1', 'SSH-2.0-OpenSSH_9.2\r\n', PAUSE, CLOSE)),
  },
  {
    name: 'a POST that was not answered is a 502, and was sent once',
    async run(target) {
      see('times', await unanswered(target, 'POST / HTTP/1.1', { do: 'body' }, CLOSE), 1);
    },
  },
  {
    name: 'an application that closes in the middle of an upload is a 502 or a cut, soon',
    async run(target) {
      const play = await target.application.play([CLOSE]);
      using wire = new Wire(target);
      wire.ask(play, 'POST / HTTP/1.1', 'Content-Length: 1000000').write('x'.repeat(5000));
      const answer = await answerOrEnd(wire, 'POST');
      hold('502 or nothing', answer === undefined || answer.status === 502, answer);
      see('times', (await play.seen()).requests.length, 1);
    },
  },
  {
    name: 'a GET, HEAD or OPTIONS on a kept connection that was just closed is sent again, once',
    own: true,
    alone: true,
    async run(target) {
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        const seen = await resetWhenReused(target, `${method} / HTTP/1.1`);
        see(`${method}: outcome`, seen, { status: 200, reused: 1, fresh: 1 });
      }
    },
  },
  {
    name: 'a POST on a kept connection that was just closed is not sent again',
    alone: true,
    async run(target) {
      for (const headers of [['Content-Length: 5'], []]) {
        const seen = await resetWhenReused(target, 'POST / HTTP/1.1', ...headers);
        see('sent', [seen.reused, seen.fresh], [1, 0]);
      }
    },
  },
  {
    name: 'a GET with a body, a PUT or a DELETE on such a connection is not sent again',
    own: true,
    alone: true,
    async run(target) {
      for (const line of ['GET / HTTP/1.1', 'PUT / HTTP/1.1', 'DELETE / HTTP/1.1']) {
        const headers = line.startsWith('DELETE') ? [] : ['Content-Length: 5'];
        const seen = await resetWhenReused(target, line, ...headers);
        see(`${line}: sent`, [seen.reused, seen.fresh], [1, 0]);
      }
    },
  },
];

/** Applications that die. */
export const CUT_PROBES: readonly Probe[] = list.map((probe) => ({
  family: 'dead upstream',
  ...probe,
}));
