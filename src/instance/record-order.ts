import { type LoadedModule, loadOrder, type Plan } from "../graph/index.js";
import { fields, type Handle } from "../messages/index.js";

/**
 * Gives the broker the order in which a plan loads, for the later take-down.
 * @returns the broker's name for the plan; undefined if it loads nothing
 */
export async function recordOrder(
  plan: Plan,
  handle: Handle | undefined,
  loaded: readonly LoadedModule[],
): Promise<number | undefined> {
  if (handle === undefined || !plan.steps.some(({ action }) => action === "load")) return undefined;
  const { nodes, offsets, targets } = loadOrder(plan, loaded);
  const order = { nodes, offsets: [...offsets], targets: [...targets] };
  return fields(await handle.rpc("module.plan", order), { plan: "integer" }).plan;
}
