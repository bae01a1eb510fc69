import { LineSplitter, plainLine } from '../plain-text.ts';
import { type BuildMessage, type BuildProgress, ImageId, SAID, type Trace } from './trace.ts';

/** What the classic builder says between steps and nobody needs. */
const NOISE =
  /^( ---> [0-9a-f]{12}| ---> Running in [0-9a-f]{12}|Removing intermediate container .*|Successfully (built|tagged) .*)$/;

/** Reads the classic builder: `Step 2/5 : RUN …`, ` ---> Using cache`, output as it comes. */
export class ClassicTrace implements Trace {
  readonly progress: BuildProgress = { step: undefined, steps: 0, cached: 0 };
  imageId: string | undefined;
  readonly failedStep = undefined;
  said: string[] = [];
  readonly #splitter = new LineSplitter();

  read(message: BuildMessage): string[] {
    const image = ImageId.safeParse(message.aux);
    if (image.success) this.imageId = image.data.ID;
    if (message.stream !== undefined) {
      return this.#splitter.push(message.stream).flatMap((line) => this.#line(line));
    }
    const pulls = message.status !== undefined && message.id === undefined;
    return pulls ? [`  ${plainLine(message.status ?? '')}`] : [];
  }

  #line(line: string): string[] {
    const step = /^Step ([0-9]+)\/([0-9]+) : (.*)$/.exec(line);
    if (step !== null) {
      const [, number, total, instruction = ''] = step;
      this.progress.step = instruction;
      this.said = [];
      this.progress.steps += 1;
      return [`[${number}/${total}] ${instruction}`];
    }
    if (line === ' ---> Using cache') {
      this.progress.cached += 1;
      return ['  (cached)'];
    }
    if (line === '' || NOISE.test(line)) return [];
    this.said = [...this.said, line].slice(-SAID);
    return [`  ${line}`];
  }
}
