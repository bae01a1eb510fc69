import { CUT_PROBES } from './cuts.ts';
import { FRAMING_PROBES } from './framing.ts';
import { HEADER_PROBES } from './headers.ts';
import { INTERIM_PROBES } from './interim.ts';
import { LEAVING_PROBES } from './leaving.ts';
import type { Probe } from './probe.ts';

/** All of them, in the order of the table. */
export const EVERY_PROBE: readonly Probe[] = [
  ...HEADER_PROBES,
  ...FRAMING_PROBES,
  ...INTERIM_PROBES,
  ...CUT_PROBES,
  ...LEAVING_PROBES,
];
