import { CUT_PROBES } from './cuts.ts';
import { DOUBTFUL_ANSWER_PROBES } from './doubtful-answers.ts';
import { FRAMING_PROBES } from './framing.ts';
import { HEADER_PROBES } from './headers.ts';
import { HTTP2_PROBES } from './http2.ts';
import { INTERIM_PROBES } from './interim.ts';
import { LEAVING_PROBES } from './leaving.ts';
import { LIMIT_PROBES } from './limits.ts';
import type { Probe } from './probe.ts';
import { SMUGGLING_PROBES } from './smuggling.ts';
import { UPGRADE_PROBES } from './upgrades.ts';

/** All of them, in the order of the table. */
export const EVERY_PROBE: readonly Probe[] = [
  ...HEADER_PROBES,
  ...FRAMING_PROBES,
  ...INTERIM_PROBES,
  ...CUT_PROBES,
  ...LEAVING_PROBES,
  ...SMUGGLING_PROBES,
  ...DOUBTFUL_ANSWER_PROBES,
  ...UPGRADE_PROBES,
  ...LIMIT_PROBES,
  ...HTTP2_PROBES,
];
