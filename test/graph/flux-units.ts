import { readFileSync } from "node:fs";
import type { Facts, FactsInput, Plan } from "../../src/graph/index.js";
import { plan, runlevelRoots } from "../../src/graph/index.js";
import {
  type Alternative,
  type Catalog,
  compose,
  disableNames,
  namedOrigin,
  parseFragment,
} from "../../src/units/index.js";
import { valueOf } from "./results.js";

const FIXTURES = new URL("../fixtures/flux-units/", import.meta.url);

/** What rc1 asks for by name, besides its tasks. */
export const RC1_LOADS = [
  ...["content", "heartbeat", "cron", "content-backing", "kvs", "kvs-watch", "sdbus", "sdbus-sys", "sdexec"],
  ...["sdmon", "resource", "job-manager", "job-list", "job-info", "job-ingest", "job-exec", "sched"],
  "feasibility",
];

export interface FluxOptions {
  readonly fluxion?: boolean;
  /** A site fragment after the others. */
  readonly site?: string;
  readonly alternatives?: readonly Alternative[];
  /** As `FLUX_MODPROBE_DISABLE` has it. */
  readonly disable?: string;
}

/** The units of test/fixtures/flux-units, composed. */
export function fluxCatalog({
  fluxion = false,
  site,
  alternatives = [],
  disable = "",
}: FluxOptions = {}): Catalog {
  const files = ["modprobe.toml", ...(fluxion ? ["fluxion.toml"] : []), "tasks.toml"];
  const texts = files.map((file) => [file, readFileSync(new URL(file, FIXTURES), "utf8")] as const);
  if (site !== undefined) texts.push(["site.toml", site]);
  const fragments = texts.map(([file, text]) =>
    valueOf(parseFragment(text, { file: `/flux-units/${file}` })),
  );
  return valueOf(
    compose(fragments, {
      alternatives,
      disable: disableNames(disable, namedOrigin("environment FLUX_MODPROBE_DISABLE")),
    }),
  );
}

/** The plan of rc1: its tasks, and the modules that it names. */
export function rc1(catalog: Catalog, facts: Partial<FactsInput> = {}): Plan {
  const roots = [...runlevelRoots(catalog, "rc1"), ...RC1_LOADS];
  return valueOf(plan(catalog, { roots, facts: { ...AT_RANK_0, ...facts } }));
}

export const AT_RANK_0: Facts = { rank: 0, size: 4, config: {}, attrs: {}, env: {} };

/** Names of the units of a plan, in order. */
export function planned({ steps }: Plan): string[] {
  return steps.map(({ unit }) => unit.name);
}

/** The units of an action, sorted, for comparing sets. */
export function loadedBy({ steps }: Plan): string[] {
  return steps
    .filter(({ action }) => action === "load")
    .map(({ unit }) => unit.name)
    .sort();
}
