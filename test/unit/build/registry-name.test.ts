import { expect, it } from 'vitest';
import { hostOf, registryOf } from '../../../src/build/registry-name.ts';

it.each([
  ['busybox', 'docker.io'],
  ['library/busybox:1', 'docker.io'],
  ['ghcr.io/team/app@sha256:0', 'ghcr.io'],
  ['localhost/app', 'localhost'],
  ['127.0.0.1:5000/app:1', '127.0.0.1:5000'],
  ['index.docker.io/app', 'docker.io'],
])('the registry of %s is %s', (reference, host) => {
  expect(registryOf(reference)).toBe(host);
  expect(hostOf(`https://${host}/v2/`)).toBe(host);
});
