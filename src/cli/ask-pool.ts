import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import {
  controlSocket,
  Refusal,
  type Reply,
  type Request,
  type Verb,
  VERBS,
} from '../desk/verbs.ts';
import { type Asked, CommandError, configOf, EXIT } from './command.ts';

/** Asks the running pool for one thing. Throws `CommandError` where it refuses or is not there. */
export async function ask<V extends Verb>(
  verb: V,
  what: Request<V>,
  { values }: Pick<Asked, 'values'>,
): Promise<Reply<V>> {
  for await (const one of follow(verb, what, { values })) return one;
  throw ended();
}

/** The same for what has an answer of several parts. */
export async function* follow<V extends Verb>(
  verb: V,
  what: Request<V>,
  { values }: Pick<Asked, 'values'>,
): AsyncGenerator<Reply<V>> {
  // Which repositories are served the running pool knows itself.
  const { dataDir } = await configOf(values, { repositories: ['.'] });
  const response = await send(verb, what, dataDir);
  if (response.statusCode !== 200) throw await refusal(response);
  try {
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
      yield VERBS[verb].answer.parse(JSON.parse(line)) as Reply<V>;
    }
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? ended() : error;
  } finally {
    response.destroy();
  }
}

function ended(): CommandError {
  const next = 'Look at its log; what it had ready runs on.';
  return new CommandError('The pool ended before its answer did.', next, EXIT.noPool);
}

async function send(verb: Verb, what: object, dataDir: string): Promise<IncomingMessage> {
  const socketPath = controlSocket(dataDir);
  const outgoing = request({ socketPath, path: `/${verb}`, method: 'POST', agent: false });
  outgoing.end(JSON.stringify(what));
  try {
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return response;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNRESET') throw ended();
    if (code === 'EACCES') {
      const next = 'Run this as the user who runs pool.';
      throw new CommandError(`You may not command the pool in ${dataDir}.`, next, EXIT.noPool);
    }
    const next = 'Start it with "pool serve", or name its folder with --data-dir.';
    throw new CommandError(`No pool serves from ${dataDir}.`, next, EXIT.noPool);
  }
}

async function refusal(response: IncomingMessage): Promise<CommandError> {
  const { message, next } = Refusal.parse(JSON.parse(await text(response)));
  const unknown = response.statusCode === 404 || response.statusCode === 300;
  return new CommandError(message, next, unknown ? EXIT.unknown : EXIT.failed);
}
