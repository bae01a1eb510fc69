import { isAbsolute, resolve } from 'node:path';

/** Expressions of what may stand as a host, and as a user before it. */
export const HOST = String.raw`(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])`;
export const USER = '[A-Za-z0-9_][A-Za-z0-9_.-]*';
const SSH = new RegExp(`^ssh://${USER}@${HOST}(?::[0-9]{1,5})?/.`);
/** As scp writes it: what stands after the colon begins at the user's home folder, or at `/`. */
const SCP = new RegExp(`^(${USER}@${HOST}):(.+)$`, 's');

const FORMS =
  'the path of a Git repository or an https URL, ssh://user@host/path or user@host:path';

/** An absolute path, an https or ssh URL, or `user@host:path`; else what is wrong with it. */
export function toRemoteUrl(place: string, folder: string): { url: string } | { problem: string } {
  const problem = { problem: `expected ${FORMS}` };
  if (place === '' || /[\u0000-\u001F\u007F]/.test(place)) return problem;
  if (/^https:\/\/[^/]*@/.test(place)) {
    return {
      problem: `${problem.problem} without a user in it, for it is shown; name the file that has the token as "tokenFile"`,
    };
  }
  if (/^(http|git):\/\//.test(place)) {
    return { problem: `${problem.problem}: this one proves neither who answers nor what` };
  }
  if (place.startsWith('https://')) return URL.canParse(place) ? { url: place } : problem;
  if (SSH.test(place)) return URL.canParse(place) ? { url: place } : problem;
  const [, host, path = ''] = SCP.exec(place) ?? [];
  if (host !== undefined) return { url: path.startsWith('/') ? `ssh://${host}${path}` : place };
  // Another scheme, a host without a user, or what git would take for an option.
  if (/^([a-z][a-z0-9+.-]*|[^/]+@[^/]+):/i.test(place) || place.startsWith('-')) return problem;
  return { url: isAbsolute(place) ? place : resolve(folder, place) };
}

/** How git reaches a repository. */
export function transportOf(url: string): 'https' | 'ssh' | 'file' {
  if (url.startsWith('https://')) return 'https';
  return url.startsWith('/') ? 'file' : 'ssh';
}
