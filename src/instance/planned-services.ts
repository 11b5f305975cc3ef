import { messageOf } from "../errors/index.js";
import type { Plan } from "../graph/index.js";
import type { Handle } from "../messages/index.js";

/** Names of the services that a run is going to load, with commas between. A module may wait for these. */
const PLANNED = "modprobe.planned";

/** Runs the function while an attribute of the instance lists the services that the plan loads; without such services it sets no attribute. */
export async function withPlannedServices<T>(
  plan: Plan,
  handle: Handle | undefined,
  run: () => Promise<T>,
): Promise<T> {
  const services = plan.steps.flatMap((step) => (step.action === "load" ? step.unit.provides : []));
  if (handle === undefined || services.length === 0) return await run();
  await handle.rpc("attr.set", { name: PLANNED, value: [...new Set(services)].join(",") });
  try {
    return await run();
  } finally {
    await handle.rpc("attr.rm", { name: PLANNED }).catch((error: unknown) => {
      // The run may have ended the instance, or another run has removed the attribute.
      handle.log("debug", `${PLANNED}: ${messageOf(error)}`);
    });
  }
}
