import type { Plan } from "../../graph/index.js";
import { refusalText, verifyLibrariesOf } from "../../rc/index.js";
import { type DisableRequest, namedOrigin } from "../../units/index.js";
import type { PlanningContext } from "../facts.js";
import { ExitError, say } from "../terminal/output.js";
import { PREFIX } from "./units.js";

/** A plan whose libraries have been verified. */
interface VerifiedPlan {
  readonly plan: Plan;
  /** Digests of the libraries, by unit. */
  readonly digests: Readonly<Record<string, string>>;
}

/**
 * Has the instance open and verify the libraries of a plan, before anything of it is carried out; without an instance
 * there is nothing to load into.
 * @param replan gives the plan without optional units that were refused
 * @throws ExitError after every failure was printed
 */
export async function withVerifiedLibraries(
  first: Plan,
  { handle }: Pick<PlanningContext, "handle">,
  replan: (refused: readonly DisableRequest[]) => Promise<Plan>,
): Promise<VerifiedPlan> {
  let plan = first;
  const refused = new Map<string, DisableRequest>();
  while (handle !== undefined) {
    const { failures, leftOut, digests } = await verifyLibrariesOf(plan, handle);
    const names = leftOut.flatMap(({ units }) => units);
    // One that is in the plan although it was disabled is asked for by name.
    if (names.some((name) => refused.has(name))) throw new ExitError(1);
    for (const failure of leftOut) say(`${PREFIX}: ${refusalText(failure)} (optional, left out)`);
    for (const failure of failures) say(`${PREFIX}: ${refusalText(failure)}`);
    const [fatal] = failures;
    if (fatal !== undefined) throw new ExitError(1, "", refusalText(fatal));
    if (names.length === 0) return { plan, digests };
    for (const name of names) refused.set(name, { name, origin: namedOrigin("the check of its library") });
    plan = await replan([...refused.values()]);
  }
  return { plan, digests: {} };
}
