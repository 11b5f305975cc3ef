import fc from "fast-check";
import { type Plan, plan, type RecordedModule } from "../../../src/graph/index.js";
import {
  type Catalog,
  compose,
  type ModuleUnit,
  optionsOf,
  parseFragment,
} from "../../../src/units/index.js";

/** A stack of programs as a test writes it. */
export interface StackUnit {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: string;
  readonly provides: readonly string[];
  readonly requires: readonly string[];
  readonly after: readonly string[];
  readonly follows: readonly string[];
  readonly priority: number;
  readonly stop: string;
  readonly disabled: boolean;
}

export interface Stack {
  readonly units: readonly StackUnit[];
  readonly roots: readonly string[];
}

const FACTS = { rank: 0, size: 1 };

/** The units of a text; each is a program that sleeps unless the test says otherwise. */
export function catalogOfText(text: string, file = "/site/units.toml"): Catalog {
  const fragment = parseFragment(text, { file });
  if (!fragment.ok) throw new Error(JSON.stringify(fragment.diagnostics));
  const composed = compose([fragment.value]);
  if (!composed.ok) throw new Error(JSON.stringify(composed.diagnostics));
  return composed.value;
}

/** The plan of a start of these roots; default: all modules that are not disabled. */
export function planOfCatalog(
  catalog: Catalog,
  roots?: readonly string[],
  kept: readonly string[] = [],
): Plan {
  const all = catalog.units.filter(({ kind, disabled }) => kind === "module" && !disabled);
  const names = [...(roots ?? all.map(({ name }) => name)), ...kept];
  const planned = plan(catalog, { roots: names, facts: FACTS, enabled: kept });
  if (!planned.ok) throw new Error(JSON.stringify(planned.diagnostics));
  return planned.value;
}

/** A stack as unit file. */
export function textOfStack({ units }: Stack): string {
  const list = (values: readonly string[]): string => JSON.stringify(values);
  return units
    .map((unit) =>
      [
        "[[modules]]",
        `name = "${unit.name}"`,
        `command = ${list(["sh", "-c", unit.command, "sh"])}`,
        `args = ${list(unit.args)}`,
        `environment = { X = "${unit.environment}" }`,
        `provides = ${list(unit.provides)}`,
        `requires = ${list(unit.requires)}`,
        `after = ${list(unit.after)}`,
        `follows = ${list(unit.follows)}`,
        `priority = ${unit.priority}`,
        `stop = { signal = "${unit.stop}" }`,
        `disabled = ${unit.disabled}`,
        'on-failure = "log"',
      ].join("\n"),
    )
    .join("\n");
}

const NAMES = ["u0", "u1", "u2", "u3", "u4", "u5"];

/** Stacks of few programs that differ in every way that matters to apply. */
export function stacks(command = "exec sleep 1000"): fc.Arbitrary<Stack> {
  return fc.subarray(NAMES, { minLength: 1 }).chain((names) =>
    fc.record({
      units: fc.tuple(...names.map((name, i) => unitNamed(name, names.slice(0, i), command))),
      roots: fc.subarray(names, { minLength: 1 }),
    }),
  );
}

/** Stacks of which one is made of another: about half of its units are the same, if they are in both. */
export function variations(): fc.Arbitrary<readonly [before: Stack, after: Stack]> {
  return fc
    .tuple(stacks(), stacks(), fc.array(fc.boolean(), { minLength: NAMES.length, maxLength: NAMES.length }))
    .map(([before, other, same]) => [before, mixed(before, other, same)] as const);
}

/** The second, with some units as the first has them. */
export function mixed(first: Stack, second: Stack, same: readonly boolean[]): Stack {
  const chosen = NAMES.flatMap((name, i) => {
    const [old, fresh] = [first, second].map(({ units }) => units.find((unit) => unit.name === name));
    return (same[i] === true ? (old ?? fresh) : fresh) ?? [];
  });
  const names = new Set(chosen.map(({ name }) => name));
  const here = (relation: readonly string[]): string[] => relation.filter((name) => names.has(name));
  return {
    units: chosen.map((unit) => ({ ...unit, requires: here(unit.requires), after: here(unit.after) })),
    roots: here([...new Set([...first.roots, ...second.roots])]),
  };
}

function unitNamed(name: string, earlier: readonly string[], command: string): fc.Arbitrary<StackUnit> {
  const some =
    earlier.length === 0
      ? fc.constant([])
      : fc.subarray([...earlier], { maxLength: Math.min(2, earlier.length) });
  return fc.record({
    name: fc.constant(name),
    command: fc.constantFrom(command, command, `: ; ${command}`),
    args: fc.constantFrom<readonly string[]>([], [], ["x"]),
    environment: fc.constantFrom("a", "a", "a", "b"),
    provides: fc.constantFrom<readonly string[]>([], ["s"], ["t"]),
    requires: some,
    after: some,
    follows: fc.oneof(fc.constant([]), some, fc.constant(["s"])),
    priority: fc.constantFrom(50, 100, 200),
    stop: fc.constantFrom("SIGTERM", "SIGTERM", "SIGINT"),
    disabled: fc.constantFrom(false, false, false, true),
  });
}

/** What a broker would record of a plan that it has carried out. */
export function recordOf(planned: Plan): RecordedModule[] {
  return planned.steps.flatMap((step) => (step.action === "load" ? [recordedUnit(step.unit)] : []));
}

export function recordedUnit(unit: ModuleUnit, more: Partial<RecordedModule> = {}): RecordedModule {
  const { name, args, provides } = unit;
  const file = { digest: null, loader: "command", member: null, variables: null };
  const timeout = unit.timeoutMs === undefined ? {} : { timeoutMs: unit.timeoutMs };
  const options = { ...optionsOf(unit), ...timeout };
  return {
    name,
    args,
    options,
    services: provides,
    state: "up",
    byName: false,
    isPlanned: true,
    file,
    ...more,
  };
}
