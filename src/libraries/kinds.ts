/** A contract between modules of libraries and their users (docs/design/modules.md §6). */
export interface Kind {
  /**
   * The version that this host implements: the major rises when a method goes or changes, the minor when one is
   * added.
   */
  readonly version: string;
  /** The methods that a module of the kind must have, under the service of the kind's name. */
  readonly methods: readonly string[];
  /** The file with its contract, if the configuration has one. */
  readonly contract?: string | undefined;
}

export type Kinds = ReadonlyMap<string, Kind>;

/** The kinds of the services that Sluice ships or uses in examples. */
const SHIPPED: Readonly<Record<string, Kind>> = {
  "content-backing": { version: "1.0", methods: ["load", "store", "checkpoint-get", "checkpoint-put"] },
  sched: { version: "1.0", methods: ["alloc", "free"] },
};

/**
 * The kinds of an instance: ours, and those of the table `kinds` of its configuration, which win.
 * @param table checked against schema/instance-config.schema.json; any other entry in it counts as absent
 */
export function kindsOf(table: unknown): Kinds {
  const kinds = new Map(Object.entries(SHIPPED));
  for (const [name, entry] of Object.entries(tableOf(table))) {
    const methods = kinds.get(name)?.methods ?? [];
    if (typeof entry === "string") kinds.set(name, { version: entry, methods });
    const { version, methods: demanded, contract } = tableOf(entry);
    if (typeof version !== "string") continue;
    kinds.set(name, {
      ...{ version, methods: textsOf(demanded) ?? methods },
      contract: typeof contract === "string" ? contract : undefined,
    });
  }
  return kinds;
}

/** The methods of a kind that a module lacks. */
export function missingMethods(kind: Kind, methods: readonly string[]): string[] {
  return methods.includes("*") ? [] : kind.methods.filter((method) => !methods.includes(method));
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter((item): item is string => typeof item === "string");
}
