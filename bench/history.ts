import type { GitRepository } from '../test/unit/fixtures/git-repository.ts';

/** The same values in an order that the random numbers choose. */
export function shuffled<Value>(values: readonly Value[], random: () => number): Value[] {
  const ranked = values.map((value) => ({ value, rank: random() }));
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ value }) => value);
}

/**
 * What commits do, as shares of the last 200 commits each of ten public web applications with a
 * Dockerfile at their top (RSS-Bridge, homer, whiteboard, DVWA, natwelch.com, go-httpbin, maildev,
 * mermaid-live-editor, PairDrop, docker-http-https-echo; 2026): on average 8 % have the tree of an
 * earlier commit (merges, reverts), and 12 % more differ only in what `.dockerignore` leaves out.
 * From application to application 3 to 34 % of commits are of one of these kinds, and 66 % of the
 * last one's, whose `.dockerignore` lets in only the files that it serves with.
 */
export const SHAPE = { sameTree: 0.08, leftOut: 0.12 };

/** Some 0.5 s of work for one core, in place of a compiler. */
const WORK = 'RUN i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done';

/** A history of `count` commits in that shape, the newest last. */
export async function generateHistory(
  remote: GitRepository,
  count: number,
  random: () => number,
): Promise<string[]> {
  const texts = ['first'];
  const commits: string[] = [await remote.commit(application('first'))];
  while (commits.length < count) {
    const kind = random();
    if (kind < SHAPE.sameTree) {
      const text = texts[Math.floor(random() * texts.length)] ?? '';
      commits.push(await remote.commit({ 'index.html': text }, 'Revert'));
    } else if (kind < SHAPE.sameTree + SHAPE.leftOut) {
      commits.push(await remote.commit({ 'docs/notes.md': `${random()}\n` }, 'Document'));
    } else {
      texts.push(`${random()}\n`);
      commits.push(await remote.commit({ 'index.html': texts.at(-1) }));
    }
  }
  return commits;
}

function application(text: string): Record<string, string> {
  const serve = 'CMD ["busybox", "httpd", "-f", "-p", "3000", "-h", "/www"]\n';
  const lines = ['FROM busybox:latest', 'WORKDIR /www', 'COPY . .', WORK, 'EXPOSE 3000', serve];
  return { Dockerfile: lines.join('\n'), '.dockerignore': 'docs\n', 'index.html': text };
}
