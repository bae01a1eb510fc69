import { describe, expect, it } from 'vitest';
import { explainBuild } from '../../../src/build/explain-build.ts';
import { NEVER_SHOWN } from '../fixtures/hostile-lines.ts';

const STEP = 'RUN make';
const BASE = 'registry.example/base:1';

/** Sentences with which builders of the engines 20.10 to 28 end. */
const ROWS: [what: string, message: string, code: string, told: RegExp][] = [
  [
    'exit code, classic',
    "The command '/bin/sh -c make' returned a non-zero code: 2",
    'build-failed',
    /"RUN make" ended with exit code 2\.$/,
  ],
  [
    'exit code, BuildKit',
    'process "/bin/sh -c make" did not complete successfully: exit code: 2',
    'build-failed',
    /"RUN make" ended with exit code 2\.$/,
  ],
  [
    'exit code, BuildKit 20.10',
    'executor failed running [/bin/sh -c make]: exit code: 127',
    'build-failed',
    /exit code 127\.$/,
  ],
  [
    'killed, classic',
    "The command '/bin/sh -c make' returned a non-zero code: 137",
    'build-failed',
    /exit code 137 \(killed, most likely for want of memory\)/,
  ],
  [
    'killed, BuildKit',
    'process "/bin/sh -c make" did not complete successfully: exit code: 137',
    'build-failed',
    /killed/,
  ],
  [
    'a step that speaks of a base image',
    'process "/bin/sh -c echo pull access denied" did not complete successfully: exit code: 1',
    'build-failed',
    /exit code 1\.$/,
  ],
  [
    'a step that speaks of syntax',
    "The command '/bin/sh -c echo syntax error' returned a non-zero code: 1",
    'build-failed',
    /exit code 1\.$/,
  ],
  [
    'unknown instruction, classic',
    'dockerfile parse error line 3: unknown instruction: RUNN',
    'dockerfile-invalid',
    /line 3.*RUNN/,
  ],
  [
    'unknown instruction, BuildKit',
    'failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 3: unknown instruction: RUNN',
    'dockerfile-invalid',
    /: dockerfile parse error line 3: unknown instruction: RUNN\.$/,
  ],
  [
    'unknown instruction, newer',
    'dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)',
    'dockerfile-invalid',
    /did you mean RUN/,
  ],
  [
    'an empty Dockerfile, classic',
    'the Dockerfile (Dockerfile) cannot be empty',
    'dockerfile-invalid',
    /cannot be empty/,
  ],
  [
    'an empty Dockerfile, BuildKit',
    'failed to solve: the Dockerfile cannot be empty',
    'dockerfile-invalid',
    /: the Dockerfile cannot be empty\.$/,
  ],
  [
    'only comments',
    'dockerfile parse error: file with no instructions',
    'dockerfile-invalid',
    /no instructions/,
  ],
  ['no FROM, classic', 'no build stage in current context', 'dockerfile-invalid', /no build stage/],
  [
    'no FROM, BuildKit',
    'dockerfile parse error on line 1: no build stage in current context',
    'dockerfile-invalid',
    /no build stage/,
  ],
  [
    'a flag, BuildKit',
    'dockerfile parse error on line 2: unknown flag: --foo',
    'dockerfile-invalid',
    /--foo/,
  ],
  [
    'too few arguments',
    'dockerfile parse error line 2: COPY requires at least two arguments, but only one was provided',
    'dockerfile-invalid',
    /at least two/,
  ],
  [
    'missing image, classic',
    `pull access denied for ${BASE}, repository does not exist or may require 'docker login'`,
    'base-image',
    /registry\.example\/base:1/,
  ],
  [
    'missing tag, classic',
    `manifest for ${BASE} not found: manifest unknown: manifest unknown`,
    'base-image',
    /manifest/,
  ],
  [
    'missing image, BuildKit',
    `${BASE}: failed to resolve source metadata for ${BASE}: pull access denied, repository does not exist or may require authorization`,
    'base-image',
    /registry\.example/,
  ],
  [
    'missing image, BuildKit 20.10',
    `failed to solve with frontend dockerfile.v0: failed to create LLB definition: pull access denied, repository does not exist or may require authorization`,
    'base-image',
    /: pull access denied/,
  ],
  [
    'no such registry',
    `Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host`,
    'base-image',
    /no such host/,
  ],
  [
    'registry away',
    `failed to do request: Head "https://registry.example/v2/base/manifests/1": dial tcp 192.0.2.1:443: i/o timeout`,
    'base-image',
    /i\/o timeout/,
  ],
  [
    'registry refuses',
    `failed to solve: ${BASE}: failed to resolve source metadata for ${BASE}: unexpected status: 401 Unauthorized`,
    'base-image',
    /401/,
  ],
  [
    'too many pulls',
    'toomanyrequests: You have reached your pull rate limit.',
    'base-image',
    /pull rate limit/,
  ],
  [
    'disk full, classic',
    'Error processing tar file(exit status 1): write /a: no space left on device',
    'disk-full',
    /disk is full/,
  ],
  [
    'disk full, BuildKit',
    'failed to solve: failed to copy files: copy file range failed: no space left on device',
    'disk-full',
    /disk is full/,
  ],
  [
    'COPY of a missing file, classic',
    'COPY failed: file not found in build context or excluded by .dockerignore: stat nothing: file does not exist',
    'build-failed',
    /not in the context: COPY failed: file not found/,
  ],
  [
    'COPY of a missing file, 20.10',
    'COPY failed: stat /var/lib/docker/tmp/docker-builder1/nothing: no such file or directory',
    'build-failed',
    /not in the context/,
  ],
  [
    'ADD of a missing file, classic',
    'ADD failed: file not found in build context or excluded by .dockerignore: stat nothing: file does not exist',
    'build-failed',
    /not in the context/,
  ],
  [
    'COPY of a missing file, BuildKit',
    'failed to compute cache key: failed to calculate checksum of ref abc::def: "/nothing": not found',
    'build-failed',
    /not in the context: failed to calculate checksum of ref abc::def: "\/nothing": not found\.$|not in the context: .*"\/nothing": not found\.$/,
  ],
  [
    'COPY of a missing file, BuildKit 28',
    'failed to solve: failed to compute cache key: failed to calculate checksum of ref abc::def: "/nothing": not found',
    'build-failed',
    /not in the context: .*"\/nothing": not found\.$/,
  ],
  [
    'COPY of a missing file, BuildKit 20.10',
    'failed to solve with frontend dockerfile.v0: failed to build LLB: failed to compute cache key: "/nothing" not found: not found',
    'build-failed',
    /not in the context: "\/nothing" not found\.$/,
  ],
  [
    'COPY out of a missing folder, BuildKit 20.10',
    'failed to solve with frontend dockerfile.v0: failed to build LLB: failed to compute cache key: failed to walk /var/lib/docker/tmp/buildkit-mount123/target/app: lstat /var/lib/docker/tmp/buildkit-mount123/target/app: no such file or directory',
    'build-failed',
    /not in the context: "\/target\/app" not found\.$/,
  ],
  [
    'something new',
    'failed to solve: the moon is in the wrong house',
    'build-failed',
    /^The build failed: the moon is in the wrong house\.$/,
  ],
  [
    'several lines',
    'Dockerfile:3\n----\n   3 | >>> RUN make\n----\nERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 1',
    'build-failed',
    /exit code 1\.$/,
  ],
  ['nothing', '', 'build-failed', /no reason was given/],
];

describe('the sentence with which a builder ended is told in words', () => {
  it.each(ROWS)('%s', (_, message, code, told) => {
    const error = explainBuild(message, STEP);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(told);
    expect(error.next).toMatch(/^[A-Z].*\.$/);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it('a "# syntax=" image that cannot be had is told by what was asked for, and no resolver', () => {
    const said =
      'failed to solve with frontend dockerfile.v0: failed to solve with frontend gateway.v0: failed to do request: Head "https://registry.example/v2/docker/dockerfile/manifests/1": dial tcp: lookup registry.example on 192.0.2.53:53: no such host';
    expect(explainBuild(said, STEP).message).toBe(
      'The "# syntax=" line of the Dockerfile names an image that cannot be had: Head "https://registry.example/v2/docker/dockerfile/manifests/1": dial tcp: lookup registry.example: no such host.',
    );
  });

  it.each([
    ['https://example.org/a.tar', 'failed to load cache key: invalid response status 404'],
    ['https://example.org/a.tar', 'Get "https://example.org/a.tar": dial tcp: no such host'],
    ['https://example.org/a.git', 'failed to fetch remote https://example.org/a.git: i/o timeout'],
    [
      'ADD --chown=1 https://example.org/a.tar /a',
      'ADD failed: failed to GET https://example.org/a.tar with status 404 Not Found',
    ],
  ])(
    'what the step %s could not fetch is neither an image nor a file of the context',
    (step, said) => {
      expect(explainBuild(said, step)).toMatchObject({
        code: 'build-failed',
        message: expect.stringMatching(/^What the Dockerfile ADDs cannot be fetched: /),
        next: expect.stringMatching(/^Check its URL, /),
      });
    },
  );

  it('an image is told as one, whatever was fetched beside it', () => {
    const said =
      'failed to do request: Head "https://registry.example/v2/x": dial tcp: i/o timeout';
    expect(explainBuild(said, 'https://example.org/a.tar').code).toBe('base-image');
  });

  it('where no step was told', () => {
    expect(explainBuild('exit code: 1', undefined).message).toBe('A step ended with exit code 1.');
  });

  it('with what the step said of it', () => {
    const said = ['  + make', '  make: *** No rule to make target. Stop: not found'];
    expect(explainBuild('exit code: 2', STEP, said)).toMatchObject({
      message:
        'The step "RUN make" ended with exit code 2; it said: make: *** No rule to make target. Stop: not found.',
      next: expect.stringMatching(/in a new commit/),
    });
  });

  it.each([
    'curl: (6) Could not resolve host: example.org',
    'wget: unable to resolve host address ‘example.org’',
    'npm ERR! network request to https://example.org failed, reason: getaddrinfo EAI_AGAIN example.org',
    "  Temporary failure resolving 'example.org'",
    'go: example.org/a@v1: dial tcp: lookup example.org: no such host',
    'NewConnectionError: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution',
    'java.net.UnknownHostException: example.org',
    'connect: network is unreachable',
  ])('a step that reached no host is no fault of the commit: %s', (line) => {
    expect(explainBuild('exit code: 1', STEP, [line, 'ERROR: failed']).next).toBe(
      'It needs a host that builds on this engine do not reach. See to that, then retry.',
    );
  });

  it.each(["dd: error writing '/x': No space left on device", 'npm ERR! code ENOSPC'])(
    'a step that found no room is to be tried again once there is some: %s',
    (line) => {
      const { code, next } = explainBuild('exit code: 1', STEP, [line, 'ERROR: failed']);
      expect(code).toBe('build-failed');
      expect(next).toMatch(/disk is full: free some room .* then retry\.$/);
    },
  );

  it('without colours, and not at any length', () => {
    const { message } = explainBuild(`\u001B[31m${'x'.repeat(10_000)}`, 'y'.repeat(10_000));
    expect(message.length).toBeLessThan(300);
    expect(message).not.toContain('\u001B');
    const long = explainBuild('exit code: 1', 'y'.repeat(10_000)).message;
    expect(long.length).toBeLessThan(300);
  });
});

it('takes no time to speak of, whatever the Dockerfile made the builder say', () => {
  const words = ['Dockerfile ', 'requires ', 'code = ', 'exit code: ', 'manifest ', ' ', '\n', '.'];
  const begun = process.cpuUsage();
  for (const word of words) {
    const flood = word.repeat(250_000 / word.length);
    const said = `failed to compute cache key: "/${flood}": not found`;
    const { message } = explainBuild(said, flood);
    expect(message.length).toBeLessThan(1000);
    expect(message).not.toMatch(NEVER_SHOWN);
  }
  const { user } = process.cpuUsage(begun);
  expect(user / 1000).toBeLessThan(1500);
});
