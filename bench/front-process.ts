import { createHash } from 'node:crypto';
import type { Address } from '../src/address/host.ts';
import { createFront } from '../src/front/front.ts';
import { Routes } from '../src/front/routes.ts';
import { Upstream } from '../src/front/upstream.ts';
import type { PreviewId } from '../src/preview/preview.ts';
import type { CommitId } from '../src/mirror/commit-id.ts';
import { endpointAt, FakeControl, STATES, viewOf } from '../test/unit/fixtures/fake-control.ts';

// pool's own front, with its routes published as the control plane would: for there are neither
// 5,000 containers here, nor containers for a peer's sake. `PORT FIRST-UPSTREAM UPSTREAMS ROUTES`
const [port = 0, first = 0, upstreams = 1, many = 1] = process.argv.slice(2).map(Number);

/** Knows all previews by their ids, and is asked once for each. */
class ManyPreviews extends FakeControl {
  override async visit(address: Address) {
    const id = `shop/${address.ref}` as PreviewId;
    const view = viewOf(this.state, { id, commit: String(address.ref) as CommitId });
    return { kind: 'preview' as const, view, rule: 'full id', mirroredAt: 0 };
  }
}

const routes = new Routes();
for (let index = 0; index < many; index += 1) {
  const commit = createHash('sha1').update(String(index)).digest('hex') as CommitId;
  const endpoint = endpointAt(first + (index % upstreams));
  routes.publish({ preview: `shop/${commit}` as PreviewId, commit, endpoint, generation: 1 });
}
const front = createFront({
  domains: ['pool.dev', 'pool.localhost'],
  routes,
  control: new ManyPreviews(STATES.ready),
  desk: new Upstream({ host: '127.0.0.1', port: 1 }),
  holdMs: 60_000,
  noindex: true,
  logger: (event, fields) => process.stderr.write(`${event} ${JSON.stringify(fields)}\n`),
  closing: new AbortController().signal,
});
front.listen(port, '127.0.0.1');
