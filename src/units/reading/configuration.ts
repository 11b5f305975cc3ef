import {
  type Diagnostic,
  didYouMean,
  fail,
  type Location,
  type Result,
  succeed,
} from "../../errors/index.js";
import { mergeConfig, configGet } from "./config-value.js";
import { emptyFragment, type Reading } from "../fragment.js";
import { checkInstanceConfig } from "../generated/validators.js";
import { explainErrors, locateProblems } from "../problems.js";
import { readTables } from "./read-tables.js";
import { namedSource, type Part, type Path, type Source } from "../source.js";
import type { ConfigTable, ConfigValue } from "../types.js";

/** One file or flag of a configuration. */
export interface ConfigLayer {
  readonly table: ConfigTable;
  readonly source: Source;
}

/** The configuration of an instance: layers, later ones over earlier ones, and the merged result. Immutable. */
export class LayeredConfiguration {
  readonly table: ConfigTable;
  readonly layers: readonly ConfigLayer[];

  constructor(layers: readonly ConfigLayer[]) {
    this.layers = layers;
    this.table = layers.reduce<ConfigTable>((below, { table }) => mergeConfig(below, table), {});
  }

  /**
   * A table that is in no file, such as the answer of a broker.
   * @param label its name in errors
   */
  static of(table: ConfigTable, label = "configuration"): LayeredConfiguration {
    return new LayeredConfiguration([{ table, source: namedSource(label) }]);
  }

  /** The value at a dotted key, if it is set. */
  get(key: string): ConfigValue | undefined {
    return configGet(this.table, key);
  }

  /** The place of a value, in the last layer with a value there. */
  locate(path: Path, part: Part): Location | undefined {
    return this.layers.findLast(({ table }) => hasPath(table, path))?.source.locate(path, part);
  }
}

/**
 * Checks our own tables: `modules`, `loaders`, `kinds`. Others are the site's own (docs/design/instance.md §3).
 * Errors: `BROKER_CONFIG`, and for `modules` the errors of `parseFragment`. Composition checks whether the units in
 * it exist.
 */
export function checkConfiguration(configuration: LayeredConfiguration): Result<LayeredConfiguration> {
  const diagnostics = [
    ...checkTables(configuration),
    ...configReadings(configuration).flatMap((reading) => reading.diagnostics),
  ];
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(configuration);
}

/** Our own tables; all others belong to the site. */
const OUR_TABLES = ["modules", "loaders", "kinds"];

/**
 * Warnings about tables with names similar to ours. The site may have such a table. A slip is more likely.
 * Warning: `BROKER_CONFIG`.
 */
export function configurationWarnings(configuration: LayeredConfiguration): Diagnostic[] {
  return Object.keys(configuration.table)
    .filter((name) => !OUR_TABLES.includes(name))
    .flatMap((name) => {
      const hint = didYouMean(name, OUR_TABLES, LETTERS_PER_SLIP);
      const location = configuration.locate([name], "key");
      const message = `table '${name}' is unknown to Sluice`;
      return hint === undefined
        ? []
        : [
            {
              code: "BROKER_CONFIG" as const,
              severity: "warning" as const,
              message,
              location,
              related: [],
              hint,
            },
          ];
    });
}

/** The site may use its own names. Only a similar name is doubtful. */
const LETTERS_PER_SLIP = 5;

function checkTables(configuration: LayeredConfiguration): Diagnostic[] {
  const { table } = configuration;
  if (checkInstanceConfig(table)) return [];
  const problems = explainErrors(checkInstanceConfig.errors, table, [], [])
    // Reads each table separately, which gives better messages.
    .filter((problem) => problem.path[0] !== "modules")
    .map((problem) => ({ ...problem, code: "BROKER_CONFIG" as const }));
  const source: Source = {
    name: "configuration",
    directory: undefined,
    locate: (path, part) => configuration.locate(path, part),
  };
  return locateProblems(source, problems);
}

/** The `modules` tables of all layers, as changes to units (docs/design/planning.md §2). */
export function configReadings(configuration: LayeredConfiguration): Reading[] {
  return configuration.layers
    .filter(({ table }) => Object.hasOwn(table, "modules"))
    .map(({ table, source }) => readTables(table["modules"], source, "configuration", ["modules"]))
    .map((reading) =>
      // A value that should be a table hides no definitions: a configuration has none.
      reading.isBroken
        ? { ...reading, fragment: emptyFragment(reading.fragment.source), isBroken: false }
        : reading,
    );
}

function hasPath(table: ConfigTable, path: Path): boolean {
  let value: unknown = table;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return false;
    value = Reflect.get(value, step);
  }
  return true;
}
