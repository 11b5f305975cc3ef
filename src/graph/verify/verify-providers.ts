import type { Diagnostic } from "../../errors/index.js";
import type { Catalog, Condition, RankSet, Unit } from "../../units/index.js";

/**
 * Warnings about relations that no rank and no facts can satisfy. UNIT_NEED_UNMEETABLE: a service that the unit needs
 * has no provider on any rank of the unit. UNIT_NEVER_PICKED: conditions that contradict each other, no ranks at all,
 * or a provider that another one always beats without a lower priority.
 * @param chosen services whose provider code may choose, and which are therefore not checked
 */
export function providerWarnings(catalog: Catalog, chosen: ReadonlySet<string>): Diagnostic[] {
  const best = bestAlwaysUsable(catalog);
  return catalog.units.flatMap((unit) => [
    ...needWarnings(catalog, unit),
    ...neverUsableWarnings(catalog, unit),
    ...(unit.provides.some((service) => chosen.has(service)) ? [] : neverPickedWarnings(catalog, unit, best)),
  ]);
}

function needWarnings(catalog: Catalog, unit: Unit): Diagnostic[] {
  return [...new Set(unit.needs)].flatMap((need) => {
    const providers = catalog.providers.get(need);
    if (providers === undefined || providers.some((other) => canMeet(unit.ranks, other))) return [];
    return [
      {
        code: "UNIT_NEED_UNMEETABLE",
        severity: "warning",
        message: `${unit.name} needs ${need}, which ${whyUnmeetable(catalog, unit, providers)}`,
        location: catalog.originOf(unit.name, "needs", need)?.location,
        related: providers.slice(0, 5).map((other) => ({
          message: `${other.name} provides ${need}`,
          location: catalog.originOf(other.name, other.disabled ? "disabled" : "ranks")?.location,
        })),
      },
    ];
  });
}

function whyUnmeetable(catalog: Catalog, unit: Unit, providers: readonly Unit[]): string {
  if (providers.every(({ disabled }) => disabled)) {
    const places = providers.slice(0, 5).map(({ name }) => catalog.originOf(name, "disabled")?.label);
    return `is disabled (${places.filter((place) => place !== undefined).join(", ")})`;
  }
  const names = providers.slice(0, 5).map((other) => `${other.name} (${rankText(other)})`);
  return `no rank of ${unit.ranks.text} has: ${names.join(", ")}`;
}

function rankText({ disabled, ranks }: Unit): string {
  return disabled ? "disabled" : `ranks ${ranks.text}`;
}

function canMeet(ranks: RankSet, provider: Unit): boolean {
  return !provider.disabled && overlaps(ranks, provider.ranks);
}

/** Whether two sets have a common rank. It walks both once. */
function overlaps(a: RankSet, b: RankSet): boolean {
  let i = 0;
  let j = 0;
  for (;;) {
    const [left, right] = [a.ranges[i], b.ranges[j]];
    if (left === undefined || right === undefined) return false;
    if (left[1] < right[0]) i += 1;
    else if (right[1] < left[0]) j += 1;
    else return true;
  }
}

/** A unit that is not usable under any facts. */
function neverUsableWarnings(catalog: Catalog, unit: Unit): Diagnostic[] {
  const found: Diagnostic[] = [];
  if (unit.ranks.ranges.length === 0) {
    found.push(
      neverPicked(
        catalog,
        unit,
        "ranks",
        `${unit.name} can never run: its ranks ${unit.ranks.text} contain no rank`,
      ),
    );
  }
  const lists = [
    ["needs-config", unit.needsConfig],
    ["needs-attrs", unit.needsAttrs],
    ["needs-env", unit.needsEnv],
  ] as const;
  for (const [key, conditions] of lists) {
    const both = contradiction(conditions);
    if (both === undefined) continue;
    const message = `${unit.name} can never be used: ${key} has both ${both} and !${both}`;
    found.push(neverPicked(catalog, unit, key, message));
  }
  return found;
}

function contradiction(conditions: readonly Condition[]): string | undefined {
  const wanted = new Set(conditions.filter(({ negated }) => !negated).map(({ key }) => key));
  return conditions.find(({ key, negated }) => negated && wanted.has(key))?.key;
}

/** For each service, the provider with the highest (priority, load order) among the always usable ones. */
function bestAlwaysUsable(catalog: Catalog): Map<string, Unit> {
  const best = new Map<string, Unit>();
  for (const [service, providers] of catalog.providers) {
    const chosen = catalog.alternatives.find((alternative) => alternative.service === service)?.unit;
    for (const unit of providers) {
      if (!isAlwaysUsable(unit)) continue;
      const before = best.get(service);
      const beats =
        before === undefined ||
        unit.name === chosen ||
        (before.name !== chosen && unit.priority >= before.priority);
      if (beats) best.set(service, unit);
    }
  }
  return best;
}

function isAlwaysUsable(unit: Unit): boolean {
  return (
    !unit.disabled &&
    unit.needs.length + unit.needsConfig.length + unit.needsAttrs.length + unit.needsEnv.length === 0
  );
}

/**
 * A provider with a lower priority is a reserve on purpose. A unit of the same or a higher priority was meant to
 * serve. It comes second on all its ranks for all its services.
 */
function neverPickedWarnings(catalog: Catalog, unit: Unit, best: ReadonlyMap<string, Unit>): Diagnostic[] {
  const shared = unit.provides.filter((service) => service !== unit.name);
  const winners = shared.map((service) => best.get(service));
  const [winner] = winners;
  if (winner === undefined || unit.disabled || winners.includes(unit)) return [];
  const isBeaten = winners.every(
    (other) => other !== undefined && unit.priority >= other.priority && covers(other.ranks, unit.ranks),
  );
  const isChosen = catalog.alternatives.some((alternative) => alternative.unit === unit.name);
  if (!isBeaten || isChosen || ranksAbove(catalog, winner, unit, shared[0] ?? "")) return [];
  const message = `${unit.name} is picked for ${shared.join(", ")} only by an alternative: ${winner.name} comes first`;
  return [
    {
      ...neverPicked(catalog, unit, "provides", message),
      hint: `give ${unit.name} a lower priority as a spare, or set alternatives.${shared[0] ?? ""} = "${unit.name}"`,
    },
  ];
}

/** Whether the unit does win, by (priority, load order) without an alternative against it. */
function ranksAbove(catalog: Catalog, other: Unit, unit: Unit, service: string): boolean {
  const isForced = catalog.alternatives.some((set) => set.service === service && set.unit === other.name);
  const isLater = unit.priority === other.priority && unit.order > other.order;
  return !isForced && (unit.priority > other.priority || isLater);
}

/** Whether each range of the second lies within one of the first. Both ascend. */
function covers(outer: RankSet, inner: RankSet): boolean {
  let i = 0;
  return inner.ranges.every(([low, high]) => {
    while ((outer.ranges[i]?.[1] ?? Infinity) < low) i += 1;
    const around = outer.ranges[i];
    return around !== undefined && around[0] <= low && high <= around[1];
  });
}

function neverPicked(catalog: Catalog, unit: Unit, key: string, message: string): Diagnostic {
  const origin = catalog.originOf(unit.name, key) ?? catalog.originOf(unit.name, "name");
  return { code: "UNIT_NEVER_PICKED", severity: "warning", message, location: origin?.location, related: [] };
}
