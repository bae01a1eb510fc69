import { connectEngine } from '../../src/engine/connect.ts';

/** Tests in this folder need an engine: better one sentence than a hundred failures. */
export default async function requireEngine(): Promise<void> {
  await connectEngine(undefined, process.env).catch((error: unknown) => {
    throw new Error('The tests in test/engine need a Docker engine: run them with "npm test".', {
      cause: error,
    });
  });
}
