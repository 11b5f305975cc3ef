import type { Change, StartInput } from "../../src/graph/index.js";
import { rankSetHas } from "../../src/units/index.js";

/**
 * Every change there is to a catalog, by brute force: of each unit, whether or not it has to do with the one that is
 * asked about. An oracle for the search, written from the words of docs/explain.md.
 */
export function everyChange({ catalog, facts }: StartInput): Change[] {
  const names = [...catalog.providers.keys()];
  return catalog.units.flatMap((unit): Change[] => {
    const { name, needs } = unit;
    const conditions = [
      ...unit.needsConfig.map((condition) => ({ key: "needs-config" as const, condition })),
      ...unit.needsAttrs.map((condition) => ({ key: "needs-attrs" as const, condition })),
      ...unit.needsEnv.map((condition) => ({ key: "needs-env" as const, condition })),
    ];
    const lowest = unit.ranks.ranges[0]?.[0];
    return [
      { kind: "enable", unit: name },
      { kind: "load", unit: name },
      { kind: "force", unit: name },
      ...(rankSetHas(unit.ranks, facts.rank) ? [] : [{ kind: "ranks", unit: name, ranks: "all" } as const]),
      ...(lowest === undefined || lowest >= facts.size ? [] : [{ kind: "rank", rank: lowest } as const]),
      ...conditions.map(({ key, condition }): Change => ({
        kind: "fact",
        key,
        name: condition.key,
        set: !condition.negated,
      })),
      ...names
        .filter((service) => catalog.providers.get(service)?.includes(unit))
        .map((service): Change => ({ kind: "alternative", service, unit: name })),
      ...needs.map((need): Change => ({ kind: "drop-needs", unit: name, needs: [need] })),
      ...(needs.length > 1 ? [{ kind: "drop-needs", unit: name, needs } as const] : []),
    ];
  });
}
