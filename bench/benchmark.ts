/** Something that is measured, beside what people would use instead. */
export interface Benchmark {
  /** What `npm run bench` and the document's markers call it: `warm-cpu`. */
  name: string;
  title: string;
  run(options: BenchOptions): Promise<Section>;
}

export interface BenchOptions {
  /** Tiny rounds, to see that it works; the figures mean nothing then. */
  quick: boolean;
}

/** What a benchmark came to. */
export interface Section {
  /** What was done, in a few sentences: load, contestants, rounds. */
  how: string;
  /** Header and rows; cells are Markdown. */
  tables: readonly Table[];
  /** What had to be reached, each computed from this very run. */
  goals: readonly Goal[];
  /** What the figures do not say, in a few sentences. */
  notSaid: string;
  /** Who took part, with versions: "nginx 1.22.1". pool and Node are named anyway. */
  contestants: readonly string[];
}

export interface Table {
  header: readonly string[];
  rows: readonly (readonly string[])[];
}

/** One line of the summary. */
export interface Goal {
  what: string;
  /** "at most 0.60 of http-proxy's"; "printed" where nothing must be reached. */
  must: string;
  got: string;
  /** Nothing where nothing must be reached. */
  reached?: boolean;
}
