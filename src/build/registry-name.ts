/** Under which name the engine, and those who log in to it, know Docker Hub. */
const HUB = 'https://index.docker.io/v1/';

/** The registry of an image, as its reference names it; Docker Hub's where it names none. */
export function registryOf(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  const named = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return named ? hostOf(first) : 'docker.io';
}

/** Whoever asks for a login may spell the registry as a URL, and Docker Hub in three ways. */
export function hostOf(name: string): string {
  const host = name.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return /^(index|registry-1)\.docker\.io$/.test(host) ? 'docker.io' : host;
}

/** The name under which a registry's login is kept, and handed to the engine. */
export function keyOf(host: string): string {
  return host === 'docker.io' ? HUB : host;
}
