import type { Origin } from "../errors/index.js";
import type { Catalog, Unit } from "./types.js";
import { type UnitJsonValue, unitToJson } from "./unit-json.js";

/**
 * Composed units as the lines of one unit file. Each value has a comment `# from FILE:LINE` with the place that set
 * it, or the flag or variable that did. It leaves out unset keys. Reading the text as a file makes the same units,
 * though tasks then come after modules.
 * @param units some or all units of the catalog; it prints alternatives only with all of them
 */
export function catalogToToml(catalog: Catalog, units: readonly Unit[] = catalog.units): string[] {
  const lines = units.flatMap((unit) => [...unitLines(catalog, unit), ""]);
  const { alternatives } = catalog;
  if (units !== catalog.units || alternatives.length === 0) return lines.slice(0, -1);
  return [
    ...lines,
    "[alternatives]",
    ...alternatives.map(({ service, unit, origin }) =>
      commented(`${keyText(service)} = ${valueText(unit)}`, origin),
    ),
  ];
}

function unitLines(catalog: Catalog, unit: Unit): string[] {
  const values = Object.entries(unitToJson(unit)).filter(([, value]) => value !== null);
  return [
    `[[${unit.kind}s]]`,
    ...values.flatMap(([key, value]) => {
      const origin = catalog.originOf(unit.name, key);
      // A value without an origin is a default.
      return origin === undefined ? [] : keyLines(catalog, unit.name, key, value, origin);
    }),
  ];
}

/** The lines of a key: one line if one place set the whole value, else each element with its own origin. */
function keyLines(
  catalog: Catalog,
  unit: string,
  key: string,
  value: UnitJsonValue,
  origin: Origin,
): string[] {
  if (value === null) return [];
  if (typeof value !== "object" || !isList(value)) return tableLines(catalog, unit, { key, value, origin });
  const elements = value.map((text) => ({
    text,
    origin: catalog.originOf(unit, key, String(text)) ?? origin,
  }));
  const [first = { origin }] = elements;
  if (elements.every((element) => fromText(element.origin) === fromText(first.origin))) {
    return [commented(`${key} = [${value.map(valueText).join(", ")}]`, first.origin)];
  }
  return [
    `${key} = [`,
    ...elements.map((element) => commented(`  ${valueText(element.text)},`, element.origin)),
    "]",
  ];
}

interface KeyValue {
  readonly key: string;
  readonly value: Exclude<UnitJsonValue, null>;
  readonly origin: Origin;
}

/** A table on one line if one line set the whole table, else name by name with dotted keys. */
function tableLines(catalog: Catalog, unit: string, { key, value, origin }: KeyValue): string[] {
  if (typeof value !== "object" || isList(value)) return [commented(`${key} = ${anyText(value)}`, origin)];
  const names = Object.keys(value).map((name) => ({
    name,
    origin: catalog.originOf(unit, key, name) ?? origin,
  }));
  const [first = { origin }] = names;
  if (names.every((each) => fromText(each.origin) === fromText(first.origin))) {
    return [commented(`${key} = ${anyText(value)}`, first.origin)];
  }
  return names.map((each) =>
    commented(`${key}.${keyText(each.name)} = ${anyText(value[each.name] ?? "")}`, each.origin),
  );
}

/** Lists that can be edited have only texts. */
function isList(value: object): value is readonly (string | number)[] {
  return Array.isArray(value);
}

function anyText(value: Exclude<UnitJsonValue, null>): string {
  if (typeof value !== "object") return valueText(value);
  if (isList(value)) return `[${value.map(valueText).join(", ")}]`;
  const fields = Object.entries(value).map(([name, field]) => `${keyText(name)} = ${anyText(field)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

function commented(text: string, origin: Origin): string {
  return `${text}  # from ${fromText(origin)}`;
}

function fromText({ label, location }: Origin): string {
  // A comment ends with its line.
  return location === undefined ? label.replaceAll(/[\r\n]+/g, " ") : `${location.file}:${location.line}`;
}

/** A key in TOML. */
export function keyText(key: string): string {
  return /^[\w-]+$/.test(key) ? key : valueText(key);
}

/**
 * A value in TOML.
 *
 * JSON is valid TOML here, except for one control character that JSON does not escape. */
export function valueText(value: string | number | boolean): string {
  return JSON.stringify(value).replaceAll("\u007f", "\\u007f");
}
