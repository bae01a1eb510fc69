import { plainLine } from '../plain-text.ts';

/** The base is shown, and kept in a label: a name that is longer is none. */
const SHOWN = 200;

/** What pool must know of a Dockerfile before it is built. */
export interface DockerfileFacts {
  /** Whether an ARG asks for the commit: then each commit has an image of its own. */
  asksForCommit: boolean;
  /** The image that the built stage stands on, as the file spells it. */
  base: string | undefined;
}

/**
 * Reads a Dockerfile's ARG and FROM lines, and understands nothing else of it: that is the
 * builder's. A line inside a heredoc that looks like one of them costs a cached layer, no more.
 */
export function readDockerfile(text: string, target: string | undefined): DockerfileFacts {
  const lines = text.replaceAll(/\\[ \t]*\r?\n/g, ' ').split('\n');
  const declared = lines.flatMap((line) => /^\s*ARG\s+(.+)$/i.exec(line)?.[1]?.split(/\s+/) ?? []);
  return {
    asksForCommit: declared.some((argument) => argument.split('=')[0] === 'POOL_COMMIT'),
    base: baseOf(lines, target),
  };
}

function baseOf(lines: readonly string[], target: string | undefined): string | undefined {
  const stages = lines.flatMap((line, at) => {
    const match = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(line);
    return match === null ? [] : [{ at, from: match[1] ?? '', name: match[2]?.toLowerCase() }];
  });
  const wanted = target?.toLowerCase();
  let stage = stages.find(({ name }, index) => name === wanted || String(index) === wanted);
  if (target === undefined) stage = stages.at(-1);
  // A stage stands only on earlier ones, so that this ends.
  for (let on = stage; on !== undefined; on = earlier(on)) stage = on;
  return stage && plainLine(stage.from).slice(0, SHOWN);

  function earlier(on: { at: number; from: string }) {
    return stages.find(({ at, name }) => at < on.at && name === on.from.toLowerCase());
  }
}
