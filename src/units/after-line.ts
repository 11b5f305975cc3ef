import type { Location } from "../errors/index.js";
import { valueText } from "./catalog-toml.js";
import { formatOf } from "./formats/document.js";
import type { Catalog } from "./types.js";

/** The line that makes a unit start after another, and its place. */
export interface AfterLine {
  /** The name for `after`: a service that the other unit provides, or its name. */
  readonly name: string;
  /** For example `after = ["kvs", "table"]`, in the format of the file. */
  readonly text: string;
  /** The place of the `after` that it replaces, else of the unit's name; undefined if no file has it. */
  readonly place: Location | undefined;
  /** Whether the unit has an `after` already. */
  readonly isReplaced: boolean;
}

/**
 * The line to add to a unit so that it starts after another.
 * @param services the services in its requests to the other unit; the line uses the first one that the other provides
 * @returns undefined if the catalog has no such units
 */
export function afterLine(
  catalog: Catalog,
  {
    unit: name,
    other,
    services,
  }: { readonly unit: string; readonly other: string; readonly services: readonly string[] },
): AfterLine | undefined {
  const unit = catalog.byName.get(name);
  const provider = catalog.byName.get(other);
  if (unit === undefined || provider === undefined) return undefined;
  const service = services.find((one) => catalog.providers.get(one)?.includes(provider) === true) ?? other;
  const origin = catalog.originOf(name, "after");
  const place = (origin ?? catalog.originOf(name, "name"))?.location;
  const list = `[${[...unit.after, service].map(valueText).join(", ")}]`;
  const isYaml = place !== undefined && formatOf(place.file) === "yaml";
  return {
    name: service,
    text: isYaml ? `after: ${list}` : `after = ${list}`,
    place,
    isReplaced: origin !== undefined,
  };
}

/** The cause of an order of two units, such as `after` of the second with the name of a service of the first. */
export interface Relation {
  readonly unit: string;
  readonly key: "after" | "before";
  readonly name: string;
  readonly place: Location | undefined;
}

/** The relation that puts a unit after another; undefined if the catalog has none, or only a wildcard. */
export function relationBetween(catalog: Catalog, unit: string, after: string): Relation | undefined {
  const sides = [
    { unit, key: "after", other: after },
    { unit: after, key: "before", other: unit },
  ] as const;
  for (const { unit: namer, key, other } of sides) {
    const named = catalog.byName.get(other);
    const names = catalog.byName.get(namer)?.[key] ?? [];
    const name = names.find(
      (one) => named !== undefined && catalog.providers.get(one)?.includes(named) === true,
    );
    if (name === undefined) continue;
    const origin = catalog.originOf(namer, key, name) ?? catalog.originOf(namer, key);
    return { unit: namer, key, name, place: origin?.location };
  }
  return undefined;
}
