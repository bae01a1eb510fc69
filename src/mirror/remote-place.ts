import { HOST, USER } from './remote-url.ts';

/** Where a remote is, taken apart so that two can be compared. Nothing of it is decoded. */
export interface RemotePlace {
  /** `https://host`, `ssh://user@host:port`; empty for a path of this machine. */
  server: string;
  folders: readonly string[];
}

const NETWORK = new RegExp(`^(https|ssh)://(?:(${USER})@)?(${HOST})(?::([0-9]{1,5}))?(/.*)?$`, 's');
/** scp's form: what follows the colon begins at the user's home. */
const SCP = new RegExp(`^(${USER})@(${HOST}):(.+)$`, 's');
const USUAL_PORT: Readonly<Record<string, string>> = { https: '443', ssh: '22' };
/** No `..`, nothing that is an option, an escape or the end of a path for some program. */
const FOLDER = /^(?!-|\.\.?$)[\p{L}\p{N}_.~+@=, -]+$/u;

/** A longer one is nobody's, and what is told of it stays short. */
const URL_LIMIT = 500;

/** Takes an https or ssh URL, scp's form, or an absolute path apart; `undefined` for anything else. */
export function toRemotePlace(url: string): RemotePlace | undefined {
  if (url.length > URL_LIMIT) return undefined;
  const [, scheme = '', user, host = '', port, path = ''] = NETWORK.exec(url) ?? [];
  if (scheme !== '') {
    // A name before the host is ssh's alone: with https it is a password, or hides the host.
    if (scheme === 'https' && user !== undefined) return undefined;
    const own = port === undefined || port === USUAL_PORT[scheme] ? '' : `:${port}`;
    const at = user === undefined ? '' : `${user}@`;
    return place(`${scheme}://${at}${host.toLowerCase()}${own}`, path);
  }
  const [, name, machine = '', below = ''] = SCP.exec(url) ?? [];
  if (name !== undefined) {
    const from = below.startsWith('/') ? below : `/~/${below}`;
    return place(`ssh://${name}@${machine.toLowerCase()}`, from);
  }
  return url.startsWith('/') ? place('', url) : undefined;
}

function place(server: string, path: string): RemotePlace | undefined {
  const folders = path.replace(/^\/|\/$/g, '').split('/');
  if (path === '' || path === '/') return { server, folders: [] };
  return folders.every((folder) => FOLDER.test(folder)) ? { server, folders } : undefined;
}

/** Whether `url` is `prefix`, or lies below it: whole folders are compared, never letters. */
export function isBelow(url: string, prefix: string): boolean {
  const [one, other] = [toRemotePlace(url), toRemotePlace(prefix)];
  if (one === undefined || other === undefined || one.server !== other.server) return false;
  return other.folders.every((folder, index) => folder === one.folders[index]);
}

/** A URL of `.gitmodules` as git reads it: `./` and `../` begin at the repository's own URL. */
export function resolveRemote(url: string, base: string): string {
  if (!/^\.\.?\//.test(url)) return url;
  let [from, rest] = [base.replace(/\/+$/, ''), url];
  for (let dots = /^\.\.?\//.exec(rest); dots !== null; dots = /^\.\.?\//.exec(rest)) {
    rest = rest.slice(dots[0].length);
    if (dots[0] === './') continue;
    const end = from.lastIndexOf('/');
    // Above scp's first folder stands a colon.
    from = from.slice(0, end === -1 ? from.lastIndexOf(':') + 1 : end);
  }
  return from.endsWith(':') ? from + rest : `${from}/${rest}`;
}

/** The prefix that an operator most likely wants: the folder that a remote lies in. */
export function likelyPrefix(url: string): string {
  const folders = toRemotePlace(url)?.folders ?? [];
  const named = folders.filter((folder) => folder !== '~');
  return named.length < 2 ? url : url.replace(/[^/:]+\/?$/, '');
}
