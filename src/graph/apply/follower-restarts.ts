import type { Plan } from "../types.js";
import type { ApplyUp, RecordedModule } from "./apply-types.js";

interface FollowerInput {
  readonly plan: Plan;
  readonly recorded: readonly RecordedModule[];
  /** The steps with other causes. */
  readonly changes: readonly ApplyUp[];
}

/** The restart of a module because of another one. */
interface FollowerRestart {
  /** The unit that the module follows. */
  readonly source: string;
  readonly change: ApplyUp;
}

/**
 * The modules that restart because they follow a module with a new run, directly or indirectly: each once. The first
 * provider of a service restarts no follower; another provider than before does (docs/design/programs.md §1,
 * `follows`).
 */
export function followerRestarts({ plan, recorded, changes }: FollowerInput): FollowerRestart[] {
  const provided = new Set(
    recorded.flatMap(({ name, services, options, state }) =>
      state === "ended" || state === "failed" ? [] : [name, ...services, ...provides(options)],
    ),
  );
  const up = new Set(recorded.filter(({ state }) => state === "up").map(({ name }) => name));
  const known = new Map(changes.map((change) => [change.unit.name, change]));
  const restarts = new Map<string, FollowerRestart>();
  const open = changes.filter(({ action }) => action !== "change").map(({ unit }) => unit);
  for (let source = open.shift(); source !== undefined; source = open.shift()) {
    const renewed = [source.name, ...source.provides].filter((service) => provided.has(service));
    for (const { action, unit } of plan.steps) {
      if (action !== "load" || unit === source || !up.has(unit.name) || restarts.has(unit.name)) continue;
      if (!unit.follows.some((service) => renewed.includes(service))) continue;
      const own = known.get(unit.name);
      // The module gets a new run in any case.
      if (own !== undefined && own.action !== "change") continue;
      const causes = [{ kind: "follows" as const, source: source.name }, ...(own?.causes ?? [])];
      const change: ApplyUp = { action: "restart", unit, causes, keepsArgs: own?.keepsArgs ?? true };
      restarts.set(unit.name, { source: source.name, change });
      open.push(unit);
    }
  }
  return [...restarts.values()];
}

function provides(options: RecordedModule["options"]): readonly string[] {
  const { provides: services } = options;
  return Array.isArray(services) ? services.filter((service) => typeof service === "string") : [];
}
