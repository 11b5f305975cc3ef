import { type Diagnostic, didYouMean, type Origin } from "../errors/index.js";
import {
  type Catalog,
  groupNamed,
  groupNames,
  rankSetHas,
  type Unit,
  unitsOfGroup,
  withGroups,
} from "../units/index.js";
import { isMeantFor, isOnAnyRank, unmetCondition } from "./facts.js";
import { reasonText } from "./reason-text.js";
import type { Facts, LoadedModule, PlanRequest, Reason } from "./types.js";

/** A name without a unit or service, and the origin that named it. */
export interface UnknownName {
  readonly name: string;
  readonly origin: Origin | undefined;
  /** The unit that requires it; undefined for a root. */
  readonly requiredBy?: string | undefined;
}

/** Each suggestion compares all names. The errors after this number come without one. */
const SUGGESTIONS = 20;

/** Groups that an error about an unknown one lists. */
const GROUPS_SHOWN = 20;

/** `no such task or module s`, with its origin and what it may have meant (docs/design/planning.md §4). */
export function unknownNameErrors(catalog: Catalog, names: readonly UnknownName[]): Diagnostic[] {
  return names.map(({ name, origin, requiredBy }, i) => ({
    ...unknownName(catalog, name, i < SUGGESTIONS),
    code: "GRAPH_UNKNOWN_NAME",
    severity: "error",
    location: origin?.location,
    related: [
      ...(requiredBy === undefined ? [] : [{ message: `required by ${requiredBy}`, location: undefined }]),
      ...(origin === undefined || origin.location !== undefined
        ? []
        : [{ message: `named by ${origin.label}`, location: undefined }]),
    ],
  }));
}

/** The text about a name that no unit, service or group has, with what it may have meant. */
export function unknownNameText(catalog: Catalog, name: string): string {
  const { message, hint } = unknownName(catalog, name, true);
  return hint === undefined ? message : `${message}; ${hint}`;
}

function unknownName(
  catalog: Catalog,
  name: string,
  isSuggesting: boolean,
): Pick<Diagnostic, "message" | "hint"> {
  const group = groupNamed(name);
  if (group === undefined) {
    const hint = isSuggesting ? didYouMean(name, catalog.providers.keys()) : undefined;
    return { message: `no such task or module ${name}`, hint };
  }
  const known = groupNames(catalog);
  const hint = isSuggesting ? didYouMean(group, known) : undefined;
  return { message: `no such group ${group}; ${groupsText(known)}`, hint };
}

function groupsText(known: readonly string[]): string {
  if (known.length === 0) return "no unit has a group";
  const more = known.length > GROUPS_SHOWN ? ` and ${known.length - GROUPS_SHOWN} more` : "";
  return `known groups: ${known.slice(0, GROUPS_SHOWN).join(", ")}${more}`;
}

/** The inputs that decide which units a group stands for. */
interface GroupBasis {
  readonly catalog: Catalog;
  readonly facts: Facts;
  readonly loaded: readonly LoadedModule[];
}

/** A request for which the planner picks units. */
type NamingRequest = Exclude<PlanRequest, { readonly kind: "remove" }>;

/**
 * A request with the units of each group in place of `@GROUP` (docs/design/planning.md §6). A start has its
 * modules, and its tasks of rc1. A load has its usable modules, as it names none of them.
 */
export function withUnitsOfGroups(
  { catalog, facts }: Pick<GroupBasis, "catalog" | "facts">,
  request: NamingRequest,
): NamingRequest {
  switch (request.kind) {
    case "start":
      return { ...request, roots: withGroups(catalog, request.roots, isStarted) };
    case "load":
      return {
        ...request,
        modules: withGroups(
          catalog,
          request.modules,
          (unit) => unit.kind === "module" && !unit.disabled && isMeantFor(unit, facts),
        ),
      };
    case "stop": {
      const { remove } = request;
      if (remove === "all" || remove === "none") return request;
      return { ...request, remove: withGroups(catalog, remove, ({ kind }) => kind === "module") };
    }
  }
}

function isStarted(unit: Unit): boolean {
  return unit.kind === "module" || unit.runlevels.includes("rc1");
}

/**
 * The diagnostics about the groups of a load. GRAPH_NEEDS_UNMET: a warning about a module that stays out.
 * GRAPH_UNKNOWN_NAME: a group has no module.
 */
export function groupProblems(basis: GroupBasis, request: NamingRequest): Diagnostic[] {
  if (request.kind !== "load") return [];
  const running = new Set(basis.loaded.map(({ name }) => name));
  return [...new Set(request.modules)].flatMap((name) => {
    const group = groupNamed(name);
    const units = group === undefined ? [] : unitsOfGroup(basis.catalog, group);
    if (group === undefined || units.length === 0) return [];
    if (units.every(({ kind }) => kind === "task")) return [onlyTasks(group)];
    return units
      .filter((unit) => unit.kind === "module" && !running.has(unit.name))
      .flatMap((unit) => stayingOut(basis, group, unit));
  });
}

function onlyTasks(group: string): Diagnostic {
  return {
    code: "GRAPH_UNKNOWN_NAME",
    severity: "error",
    message: `group ${group} has tasks only, and no module to load`,
    related: [],
    hint: "tasks run in rc1, rc3 or by `run`",
  };
}

/** The warning about a module that stays out. A module for other ranks of the instance causes none. */
function stayingOut({ catalog, facts }: GroupBasis, group: string, unit: Unit): Diagnostic[] {
  const reason = whyOut(catalog, unit, facts);
  if (reason === undefined || (reason.kind === "rank" && isOnAnyRank(unit, facts.size))) return [];
  return [
    {
      code: "GRAPH_NEEDS_UNMET",
      severity: "warning",
      message: `${unit.name} of group ${group} stays out: ${reasonText(reason)}`,
      location: catalog.originOf(unit.name, "groups", group)?.location,
      related: [],
      hint: `'load ${unit.name}' ignores conditions`,
    },
  ];
}

function whyOut(catalog: Catalog, unit: Unit, facts: Facts): Reason | undefined {
  const { disabled, name, ranks } = unit;
  if (disabled) return { kind: "disabled", by: catalog.originOf(name, "disabled") };
  if (!rankSetHas(ranks, facts.rank)) return { kind: "rank", ranks: ranks.text, rank: facts.rank };
  return unmetCondition(unit, facts);
}
