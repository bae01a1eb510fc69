import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RepositoryName } from '../address/label.ts';
import type { CommitId } from '../mirror/commit-id.ts';
import type { CommitSummary, History } from '../mirror/history.ts';
import { type Mirror, troubleWith } from '../mirror/mirror.ts';
import { html } from '../page/html.ts';
import { layout, type Page } from '../page/layout.ts';
import { labeller, type Named } from '../preview/control-plane.ts';
import { previewId } from '../preview/preview.ts';
import type { Previews } from '../preview/previews.ts';
import type { PreviewState } from '../preview/state.ts';
import type { Logger } from '../logger.ts';
import { type Frame, stripList, stripPage, type StripParts } from './strip.ts';

/** What the desk shows. */
export interface DeskOptions {
  mirrors: ReadonlyMap<RepositoryName, Mirror>;
  previews: Pick<Previews, 'get' | 'changes'>;
  history: History;
  refreshMs: number;
  logger: Logger;
  closing: AbortSignal;
}

/** As many commits as one looks through before one uses `git log`. */
const FRAMES = 30;
/** The strip is rendered at most so often, and at least so often, while somebody looks. */
const QUICK_MS = 200;
const SLOW_MS = 1000;

const COLD: PreviewState = { phase: 'cold', since: 0 };

/**
 * Pool's own page at the bare domain. Served by the control plane on its own socket, so that the
 * front proxies to it like to any preview.
 */
export function deskListener(options: DeskOptions): RequestListener {
  const desk = new Desk(options);
  return (request, response) => {
    desk.handle(request, response).catch((error: unknown) => {
      options.logger('internal', { error });
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
}

class Desk {
  readonly #options: DeskOptions;
  readonly #label: (repository: string, commit: CommitId) => string;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#label = labeller(options.mirrors);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const site = request.headers.host?.toLowerCase() ?? '';
    const { pathname, searchParams } = new URL(`http://desk${request.url ?? '/'}`);
    const named = this.#named(searchParams.get('repository'));
    const branch = searchParams.get('branch');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (named === undefined || (pathname !== '/' && pathname !== '/events')) {
      send(response, 404, notFound(site));
    } else if (pathname === '/events') {
      this.#stream(response, named, branch, site);
    } else {
      await this.#refresh(named.mirror);
      send(response, 200, stripPage(await this.#parts(named, branch, site), Date.now()));
    }
  }

  #named(wanted: string | null): Named | undefined {
    const all = this.#options.mirrors.entries().map(([name, mirror]) => ({ name, mirror }));
    return all.find(({ name }) => wanted === null || name === wanted);
  }

  #stream(response: ServerResponse, named: Named, branch: string | null, site: string): void {
    const left = new AbortController();
    response.once('close', () => left.abort());
    const over = AbortSignal.any([left.signal, this.#options.closing]);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const events = Readable.from(this.#events(named, branch, site, over));
    events.on('error', () => response.destroy()).pipe(response);
  }

  async *#events(
    named: Named,
    branch: string | null,
    site: string,
    over: AbortSignal,
  ): AsyncGenerator<string> {
    let shown = '';
    let rest = new AbortController();
    const wake = () => rest.abort();
    over.addEventListener('abort', wake);
    this.#options.previews.changes.addEventListener('change', wake, { signal: over });
    yield 'retry: 1000\n\n';
    while (!over.aborted) {
      rest = new AbortController();
      await this.#refresh(named.mirror);
      const list = stripList(await this.#parts(named, branch, site), Date.now()).text;
      if (list !== shown) yield `event: strip\ndata: ${JSON.stringify(list)}\n\n`;
      shown = list;
      await pause(QUICK_MS, over);
      await pause(SLOW_MS - QUICK_MS, rest.signal);
    }
  }

  async #refresh(mirror: Mirror): Promise<void> {
    const { refreshMs, closing } = this.#options;
    const stale = Date.now() - mirror.triedAt >= refreshMs;
    if (stale) await Promise.race([mirror.refresh(closing), sleep(SLOW_MS)]);
  }

  async #parts(
    { name, mirror }: Named,
    branchName: string | null,
    site: string,
  ): Promise<StripParts> {
    const { refs } = mirror.table;
    const branches = refs.filter((ref) => ref.kind === 'branch');
    const wanted = branchName ?? mirror.defaultBranch;
    const branch = branches.find((ref) => ref.name === wanted) ?? branches[0];
    const commits =
      branch === undefined ? [] : await this.#options.history.last(mirror, branch.commit, FRAMES);
    return {
      site,
      repository: name,
      repositories: [...this.#options.mirrors].map(([one, { copied }]) => ({ name: one, copied })),
      branch,
      refs,
      frames: commits.map((commit) => this.#frame({ name, mirror }, commit)),
      copied: mirror.copied,
      failed: mirror.problem !== undefined,
      trouble: troubleWith(name, mirror),
    };
  }

  #frame({ name, mirror }: Named, commit: CommitSummary): Frame {
    const preview = this.#options.previews.get(previewId({ repository: name, commit: commit.id }));
    return {
      commit,
      label: this.#label(name, commit.id),
      refs: mirror.table.at(commit.id),
      state: preview?.state ?? COLD,
    };
  }
}

async function pause(ms: number, over: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: over }).catch(() => {});
}

function send(response: ServerResponse, status: number, page: Page): void {
  response.writeHead(status, page.headers).end(page.body);
}

function notFound(site: string): Page {
  const body = html`<main>
    <h1>There is no such page</h1>
    <p><a href="/">To the commits</a></p>
  </main>`;
  return layout({ title: 'Not found · pool', site, body });
}
