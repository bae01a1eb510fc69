import type { Probe } from './probe.ts';
import { type Column, failures, table } from './table.ts';

/** The document that `npm run probes -- --write` makes. */
export function page(probes: readonly Probe[], columns: readonly Column[]): string {
  const setUps = columns.map(
    ({ name, version, settings }) => `- **${name}** ${version}: ${settings}`,
  );
  return `# Probes

<!-- npm run probes -- --write makes this page. -->

Each line is a sentence that is true of a correct proxy. A probe sends exact bytes through the proxy
to an application in a container, which misbehaves byte by byte on demand and tells over a second
port what reached it: the raw requests, and which connections are open. All of them are tests of
pool (\`test/engine/probes.test.ts\`); here the others go through the same.

- † is a promise of pool's own, about which HTTP says nothing or leaves the choice. It says nothing
  against a proxy that does otherwise, and is counted apart.
- n.a. says nothing about this proxy, such as what hangs on a setting that it does not have.
- A request that two parsers could read differently must be refused or cut off; or the application
  gets one request that even the strictest parser reads only one way. The same holds of answers.
- The engine's relay turns a reset into an end: no proxy can tell an answer with neither length nor
  chunks that was cut from a whole one, and no probe asks for it.
- Limits that take a minute (idle bodies, idle connections, answers that never begin) and 10,000 held
  requests are tested without a container, in \`test/unit/front/\`.

\`\`\`
npm run probes                             the table; nginx and HAProxy where they are installed
npm run probes -- --write                  writes this page
npm run probes -- --pool --only trailers   pool alone, and just these
\`\`\`

${setUps.join('\n')}

${table(probes, columns)}
## What was seen instead

${failures(probes, columns)}`;
}
