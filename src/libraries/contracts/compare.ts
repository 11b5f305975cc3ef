import type { Contract, Method } from "./contract.js";
import { type Shape, typesOf } from "./shape.js";

/** A difference between two versions of a contract. */
export interface ContractChange {
  /** `METHOD`, `METHOD.request.FIELD`, `METHOD.response.FIELD`. */
  readonly path: string;
  readonly weight: "major" | "minor";
  readonly text: string;
}

/** The differences between two versions of a contract. */
export interface ContractDiff {
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly changes: readonly ContractChange[];
  /** The lowest version that the changes allow. */
  readonly needed: string;
  /** Whether the new version is lower. */
  readonly isUnderstated: boolean;
}

/**
 * Compares two versions of a contract. A major change breaks a certified module or its callers. A minor
 * change only adds (docs/design/modules.md §6).
 */
export function compareContracts(old: Contract, now: Contract): ContractDiff {
  const names = new Set([...old.methods.keys(), ...now.methods.keys()]);
  const changes = [...names].flatMap((name) =>
    methodChanges(name, old.methods.get(name), now.methods.get(name)),
  );
  const [major = 0, minor = 0] = old.version.split(".").map(Number);
  const isMajor = changes.some(({ weight }) => weight === "major");
  const needed = isMajor ? `${major + 1}.0` : changes.length > 0 ? `${major}.${minor + 1}` : old.version;
  return {
    ...{ kind: now.kind, from: old.version, to: now.version, changes, needed },
    isUnderstated: isLess(now.version, needed),
  };
}

function isLess(version: string, other: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split(".").map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

function methodChanges(name: string, old: Method | undefined, now: Method | undefined): ContractChange[] {
  if (old === undefined) return [{ path: name, weight: "minor", text: "method is added" }];
  if (now === undefined) return [{ path: name, weight: "major", text: "method is removed" }];
  return [
    ...shapeChanges(old.request, now.request, `${name}.request`, "taken"),
    ...shapeChanges(old.response, now.response, `${name}.response`, "given"),
    ...listChanges(`${name}.errors`, old.errors, now.errors),
  ];
}

function listChanges(path: string, old: readonly string[], now: readonly string[]): ContractChange[] {
  return [
    ...old
      .filter((one) => !now.includes(one))
      .map((one): ContractChange => ({ path, weight: "major", text: `${one} is removed` })),
    ...now
      .filter((one) => !old.includes(one))
      .map((one): ContractChange => ({ path, weight: "minor", text: `${one} is added` })),
  ];
}

/**
 * @param way `taken`: the module receives the values, and must accept at least as much as before. `given`: the module
 *   returns the values, and must not return new ones
 */
function shapeChanges(old: Shape, now: Shape, path: string, way: "taken" | "given"): ContractChange[] {
  const changes: ContractChange[] = [];
  const say = (weight: ContractChange["weight"], text: string, at = path): void =>
    void changes.push({ path: at, weight, text });
  const [types, newTypes] = [setOf(typesOf(old)), setOf(typesOf(now))];
  if (types !== newTypes) {
    const isWider =
      typesOf(now) === undefined || typesOf(old)?.every((type) => typesOf(now)?.includes(type)) === true;
    const isNarrower =
      typesOf(old) === undefined || typesOf(now)?.every((type) => typesOf(old)?.includes(type)) === true;
    const isSafe = way === "taken" ? isWider : isNarrower;
    say(isSafe ? "minor" : "major", `type ${types} is now ${newTypes}`);
  }
  for (const keyword of ["enum", "minimum", "additionalProperties", "contentEncoding"] as const) {
    const [before, after] = [keywordText(old[keyword]), keywordText(now[keyword])];
    if (before !== after) say("major", `${keyword} ${before} is now ${after}`);
  }
  const [fields, newFields] = [old.properties ?? {}, now.properties ?? {}];
  for (const name of new Set([...Object.keys(fields), ...Object.keys(newFields)])) {
    const [before, after] = [fields[name], newFields[name]];
    const [was, is] = [isRequired(old, name), isRequired(now, name)];
    const at = `${path}.${name}`;
    if (after === undefined) say("major", "field is removed", at);
    else if (before === undefined) {
      say(way === "taken" && is ? "major" : "minor", is ? "required field is added" : "field is added", at);
    } else {
      changes.push(...shapeChanges(before, after, at, way));
      if (was && !is) say(way === "taken" ? "minor" : "major", "field is no longer required", at);
      if (!was && is) say(way === "taken" ? "major" : "minor", "field is now required", at);
    }
  }
  if (old.items !== undefined || now.items !== undefined) {
    changes.push(...shapeChanges(old.items ?? {}, now.items ?? {}, `${path}[]`, way));
  }
  return changes;
}

function keywordText(value: Shape["enum" | "minimum" | "additionalProperties" | "contentEncoding"]): string {
  return value === undefined ? "none" : JSON.stringify(value);
}

function isRequired({ required = [] }: Shape, name: string): boolean {
  return required.includes(name);
}

function setOf(types: readonly string[] | undefined): string {
  return types === undefined ? "any" : types.toSorted().join(" or ");
}
