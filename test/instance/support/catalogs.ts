import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { Stack } from "./stack.js";

const ASKER = join(import.meta.dirname, "../fixtures/asker.mjs");

/** Numbers below a limit, the same for the same start. */
function numbers(start: number): (limit: number) => number {
  let state = start;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

export interface RandomCatalog {
  /** An array of modules, as TOML has it. */
  readonly toml: string;
  readonly units: readonly string[];
}

/** A catalog with a relation that is missing. */
export interface PlantedCatalog extends RandomCatalog {
  /** The unit that asks, and the one that it is not ordered after. */
  readonly asks: string;
  readonly asked: string;
  /** The line of the unit that asks. */
  readonly line: number;
  /** The same with the relation. */
  readonly mended: RandomCatalog;
}

/** For each unit, the earlier ones that it asks; a unit comes after all that it asks in the load order, too. */
function randomAsks(below: (limit: number) => number, count: number): number[][] {
  return Array.from({ length: count }, (_, unit) =>
    Array.from({ length: unit }, (_other, other) => other).filter(() => below(3) === 0),
  );
}

function unitLine(name: string, asks: readonly string[], after: readonly string[]): string {
  const [args, relations] = [asks, after].map((list) => JSON.stringify(list));
  return `{name = "${name}", module = "asker", thread = "shared", args = ${args}, after = ${relations}}`;
}

/** Units that ask each other in order. */
export function inOrder(start: number, count: number, prefix = "u"): RandomCatalog {
  const name = (unit: number): string => `${prefix}${unit}`;
  const asks = randomAsks(numbers(start), count);
  const lines = asks.map((others, unit) => unitLine(name(unit), others.map(name), others.map(name)));
  return { toml: lines.join(",\n"), units: asks.map((_, unit) => name(unit)) };
}

/** Units that ask each other in order, but for one. */
export function planted(start: number, count: number): PlantedCatalog {
  const name = (unit: number): string => `u${unit}`;
  const below = numbers(start);
  const asks = randomAsks(below, count);
  const hidden = 2 + below(count - 2);
  const asked = below(hidden);
  // Nothing else may put the two in order.
  const relations = asks.map((others, unit) =>
    unit === hidden ? [] : others.filter((other) => other !== hidden),
  );
  const catalogWith = (after: readonly number[]): RandomCatalog => {
    const lines = relations.map((others, unit) =>
      unit === hidden
        ? unitLine(name(unit), [name(asked)], after.map(name))
        : unitLine(name(unit), others.map(name), others.map(name)),
    );
    return { toml: lines.join(",\n"), units: asks.map((_, unit) => name(unit)) };
  };
  return {
    ...{ ...catalogWith([]), mended: catalogWith([asked]) },
    ...{ asks: name(hidden), asked: name(asked), line: hidden + 2 },
  };
}

/** A place with the units of catalogs, and their module. */
export function stackOf(...catalogs: readonly RandomCatalog[]): Stack {
  const stack = new Stack(`modules = [\n${catalogs.map(({ toml }) => toml).join(",\n")}\n]`);
  copyFileSync(ASKER, join(stack.dir, "asker.mjs"));
  return stack;
}
