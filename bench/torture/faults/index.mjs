/**
 * The sorts of faults, by name. `needs` says what a round with such a step has to have. `prepare` makes what
 * it takes, once a round. `inject` does it, and says whether it has ended the instance. `unmet` says why this
 * machine cannot do it, `excludes` which sorts cannot be in the same round.
 */
import { BOOT } from "../boot/boots.mjs";
import { BROKER } from "./broker.mjs";
import { CHANGE } from "./change.mjs";
import { COLLECT } from "./collect.mjs";
import { DISK } from "./disk.mjs";
import { EIO } from "./eio.mjs";
import { FREEZE } from "./freeze.mjs";
import { PROVIDER } from "./provider.mjs";
import { RANK } from "./rank.mjs";
import { SWITCH } from "./switch.mjs";

export const FAULTS = {
  broker: BROKER,
  provider: PROVIDER,
  rank: RANK,
  change: CHANGE,
  switch: SWITCH,
  freeze: FREEZE,
  collect: COLLECT,
  eio: EIO,
  disk: DISK,
  boot: BOOT,
};
