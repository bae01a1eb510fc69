import { describe, expect, it } from 'vitest';
import { readDockerfile } from '../../../src/source/dockerfile.ts';

describe('a Dockerfile', () => {
  it.each([
    ['FROM a\nARG POOL_COMMIT', true],
    ['FROM a\n  arg A=1 \\\n  POOL_COMMIT=none', true],
    ['FROM a\nARG POOL_COMMITTER', false],
    ['FROM a\nENV POOL_COMMIT=1', false],
    ['# ARG POOL_COMMIT\nFROM a', false],
  ])('%j asks for the commit: %s', (text, asks) => {
    expect(readDockerfile(text, undefined).asksForCommit).toBe(asks);
  });

  it.each([
    ['FROM node:24', undefined, 'node:24'],
    ['FROM --platform=linux/amd64 node:24 AS one\nRUN x', undefined, 'node:24'],
    ['FROM node:24 AS Build\nFROM nginx AS web\nCOPY --from=build /a /', undefined, 'nginx'],
    ['FROM node:24 AS base\nFROM base AS build\nFROM build', undefined, 'node:24'],
    ['FROM node:24 AS base\nFROM nginx', 'BASE', 'node:24'],
    ['FROM node:24\nFROM nginx', '0', 'node:24'],
    ['FROM nginx AS nginx', undefined, 'nginx'],
    ['FROM nginx', 'nothing', undefined],
    ['', undefined, undefined],
    ['FROM a\u202Eb\u001B[31mc', undefined, 'abc'],
    [`FROM ${'x'.repeat(300)}`, undefined, 'x'.repeat(200)],
  ])('%j with target %s stands on %s', (text, target, base) => {
    expect(readDockerfile(text, target).base).toBe(base);
  });
});
