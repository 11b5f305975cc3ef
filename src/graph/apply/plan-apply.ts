import { didYouMean, type Diagnostic, fail, type Result, succeed } from "../../errors/index.js";
import { type Catalog, groupNamed, type ModuleUnit, withGroups } from "../../units/index.js";
import { knownModule } from "../loaded.js";
import { unknownNameErrors } from "../request-names.js";
import { orderWithFollowers } from "./apply-order.js";
import type {
  ApplyCause,
  ApplyChange,
  ApplyInput,
  ApplyPlan,
  ApplyUp,
  ModuleFile,
  RecordedModule,
  Renaming,
} from "./apply-types.js";
import { followerRestarts } from "./follower-restarts.js";
import { keyChanges, loaderChanges } from "./key-changes.js";

/**
 * Compares the running modules with the files, and returns the smallest change that makes them match
 * (docs/design/programs.md §3). A pure function: it compares the digests of files.
 *
 * @returns the changes; or `GRAPH_UNKNOWN_NAME` for each name of `only` that neither a unit nor a module has
 */
export function planApply(input: ApplyInput): Result<ApplyPlan> {
  const { plan, recorded } = input;
  const only = resolveNames(input);
  if (!only.ok) return only;
  const isConcerned = (name: string): boolean => only.value?.has(name) ?? true;
  const known = new Map(recorded.map((module) => [module.name, module]));
  const stays: string[] = [];
  const ups: ApplyUp[] = [];
  for (const { action, unit } of plan.steps) {
    if (action !== "load") continue;
    const change = isConcerned(unit.name) ? upChange(unit, known.get(unit.name), input) : undefined;
    if (change === undefined) {
      if (known.has(unit.name)) stays.push(unit.name);
    } else ups.push(change);
  }
  const { removals, unknown } = judgeOthers(input, isConcerned);
  const restarts = followerRestarts({ plan, recorded, changes: ups });
  const restarted = new Map(restarts.map(({ change }) => [change.unit.name, change]));
  const all = [...ups.filter(({ unit }) => !restarted.has(unit.name)), ...restarted.values()];
  const changes = [...inPlanOrder(all, plan.steps), ...removals];
  return succeed({
    plan,
    changes,
    stays: stays.filter((name) => !restarted.has(name)),
    unknown,
    renamings: renamingsOf(changes, input),
    order: orderWithFollowers(
      plan,
      restarts.map(({ source, change }) => [source, change.unit.name]),
    ),
  });
}

function upChange(
  unit: ModuleUnit,
  recorded: RecordedModule | undefined,
  { plan, files }: ApplyInput,
): ApplyUp | undefined {
  if (recorded === undefined) {
    const origin = plan.catalog.originOf(unit.name, "name")?.label;
    return { action: "load", unit, causes: [{ kind: "new", origin }], keepsArgs: false };
  }
  const { reload, inPlace } = differences(unit, recorded, files.get(unit.name), plan.catalog);
  const causes = [...reload, ...inPlace];
  const keepsArgs = !causes.some(
    (cause) => cause.kind === "keys" && cause.keys.some(({ key }) => key === "args"),
  );
  switch (recorded.state) {
    case "failed":
    case "waits":
      return { action: "load", unit, causes: [{ kind: "failed" }, ...causes], keepsArgs };
    case "ended":
      return reload.length === 0 ? undefined : { action: "load", unit, causes, keepsArgs };
    case "up":
      if (causes.length === 0) return undefined;
      return { action: reload.length === 0 ? "change" : "reload", unit, causes, keepsArgs };
  }
}

/**
 * The differences between the files and a running module: empty for a module without a unit that no plan has loaded.
 * @param file its current parts
 */
export function unitDifferences(
  catalog: Catalog,
  recorded: RecordedModule,
  file: ModuleFile | undefined,
): readonly ApplyCause[] {
  const unit = knownModule(catalog, recorded.name);
  if (unit === undefined) return recorded.isPlanned ? [{ kind: "left-out", reason: undefined }] : [];
  const { reload, inPlace } = differences(unit, recorded, file, catalog);
  return [...reload, ...inPlace];
}

interface Differences {
  readonly reload: readonly ApplyCause[];
  readonly inPlace: readonly ApplyCause[];
}

function differences(
  unit: ModuleUnit,
  recorded: RecordedModule,
  file: ModuleFile | undefined,
  catalog: Catalog,
): Differences {
  const keys = keyChanges(unit, recorded, catalog);
  const old = recorded.file;
  const [reloading, inPlace] = [
    keys.filter(({ change }) => change === "reload"),
    keys.filter(({ change }) => change !== "reload"),
  ];
  const loader = isOther(old.loader, file?.loader) ? loaderChanges(unit, recorded, catalog) : [];
  const member =
    file !== undefined && file.digest !== null && old.member !== file.member
      ? [
          {
            key: "module",
            from: old.member,
            to: unit.module,
            origin: catalog.originOf(unit.name, "module")?.label,
            change: "reload" as const,
          },
        ]
      : [];
  const all = [...reloading, ...loader, ...member];
  return {
    reload: [
      ...(isOther(old.digest, file?.digest)
        ? [{ kind: "file" as const, from: old.digest, to: file?.digest ?? null }]
        : []),
      ...(isOther(old.variables, file?.variables) && !keys.some(({ key }) => key === "environment-file")
        ? [{ kind: "variables" as const }]
        : []),
      ...(all.length === 0 ? [] : [{ kind: "keys" as const, keys: all }]),
    ],
    inPlace: inPlace.length === 0 ? [] : [{ kind: "keys", keys: inPlace }],
  };
}

/** An unknown value causes no difference. */
function isOther(before: string | null, now: string | null | undefined): boolean {
  return before !== null && now !== null && now !== undefined && before !== now;
}

/** The modules outside the plan: modules to remove, and modules that no unit describes. */
function judgeOthers(
  { plan, recorded }: ApplyInput,
  isConcerned: (name: string) => boolean,
): { readonly removals: ApplyChange[]; readonly unknown: readonly string[] } {
  const { catalog } = plan;
  const planned = new Set(plan.steps.map(({ unit }) => unit.name));
  const kept = keptByName(catalog, recorded);
  const removals: ApplyChange[] = [];
  const unknown: string[] = [];
  for (const { name, state, isPlanned } of recorded) {
    if (planned.has(name) || kept.has(name) || state === "failed" || state === "ended") continue;
    const unit = knownModule(catalog, name);
    if (unit === undefined && !isPlanned) unknown.push(name);
    else if (isConcerned(name)) {
      const reason = plan.leftOut.get(name);
      removals.push({ action: "remove", name, causes: [{ kind: "left-out", reason }] });
    }
  }
  return { removals, unknown };
}

/** The running modules that a user has loaded by name, and their requirements. */
function keptByName(catalog: Catalog, recorded: readonly RecordedModule[]): Set<string> {
  const providers = new Map<string, string[]>();
  for (const module of recorded) {
    for (const service of servicesOf(module, catalog)) {
      providers.set(service, [...(providers.get(service) ?? []), module.name]);
    }
  }
  const open = recorded.filter(({ byName, isPlanned }) => byName || !isPlanned).map(({ name }) => name);
  const kept = new Set(open.filter((name) => isOrWasKnown(name, catalog, recorded)));
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const service of knownModule(catalog, name)?.requires ?? []) {
      for (const provider of providers.get(service) ?? []) {
        if (kept.has(provider)) continue;
        kept.add(provider);
        open.push(provider);
      }
    }
  }
  return kept;
}

/** Lists a module without a unit as unknown, unless a plan has loaded it. */
function isOrWasKnown(name: string, catalog: Catalog, recorded: readonly RecordedModule[]): boolean {
  if (knownModule(catalog, name) !== undefined) return true;
  return recorded.some((module) => module.name === name && module.isPlanned);
}

/** All services that a module has, or that its unit declares. */
function servicesOf({ name, services }: RecordedModule, catalog: Catalog): Set<string> {
  return new Set([name, ...services, ...(knownModule(catalog, name)?.provides ?? [])]);
}

/** The units that names stand for; undefined: all. */
function resolveNames({ only, plan, recorded }: ApplyInput): Result<ReadonlySet<string> | undefined> {
  if (only === undefined) return succeed(undefined);
  const { catalog } = plan;
  const found = new Set<string>();
  const problems: Diagnostic[] = [];
  for (const name of withGroups(catalog, only, ({ kind }) => kind === "module")) {
    const isUnit =
      knownModule(catalog, name) !== undefined || recorded.some((module) => module.name === name);
    if (isUnit) found.add(name);
    else if (catalog.providers.has(name) && catalog.byName.get(name)?.kind !== "task") {
      // For a service, all units that have to do with it: the present provider, and the one that is to serve it.
      for (const { name: unit } of catalog.providers.get(name) ?? []) found.add(unit);
    } else problems.push(...unknownName(name, catalog));
  }
  return problems.length > 0 ? fail(problems) : succeed(found);
}

function unknownName(name: string, catalog: Catalog): Diagnostic[] {
  if (groupNamed(name) !== undefined) return unknownNameErrors(catalog, [{ name, origin: undefined }]);
  const isTask = catalog.byName.get(name)?.kind === "task";
  return [
    {
      code: "GRAPH_UNKNOWN_NAME",
      severity: "error",
      message: isTask ? `${name} is a task; apply runs no tasks` : `no such module or service ${name}`,
      related: [],
      hint: isTask ? undefined : didYouMean(name, catalog.providers.keys()),
    },
  ];
}

const RANKS = { load: 0, reload: 1, restart: 1, change: 1 } as const;

function inPlanOrder(changes: readonly ApplyUp[], steps: ApplyInput["plan"]["steps"]): ApplyUp[] {
  const placeOf = new Map(steps.map(({ unit }, place) => [unit.name, place]));
  return [...changes].sort(
    (a, b) =>
      RANKS[a.action] - RANKS[b.action] || (placeOf.get(a.unit.name) ?? 0) - (placeOf.get(b.unit.name) ?? 0),
  );
}

/** A removed unit and a new one with the same command or file: most likely the user has renamed it. */
function renamingsOf(changes: readonly ApplyChange[], { recorded, files }: ApplyInput): Renaming[] {
  const known = new Map(recorded.map((module) => [module.name, module]));
  return changes.flatMap((change): Renaming[] => {
    const old = change.action === "remove" ? known.get(change.name) : undefined;
    if (old === undefined) return [];
    return changes.flatMap((other): Renaming[] => {
      if (other.action !== "load") return [];
      const { name, command } = other.unit;
      const wasCommand = old.options["command"];
      if (command !== undefined) {
        const isSame = JSON.stringify(command) === JSON.stringify(wasCommand);
        return isSame ? [{ from: old.name, to: name, same: "command" }] : [];
      }
      const file = files.get(name);
      const isSame =
        file !== undefined &&
        file.digest !== null &&
        file.digest === old.file.digest &&
        file.member === old.file.member;
      return isSame ? [{ from: old.name, to: name, same: "file" }] : [];
    });
  });
}
