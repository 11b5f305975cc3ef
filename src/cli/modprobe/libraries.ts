import { checkUnitLibraries, type UnitLibraries } from "../../broker/index.js";
import { type Diagnostic, type Location } from "../../errors/index.js";
import type { Plan } from "../../graph/index.js";
import { refusalText, verifyLibrariesOf } from "../../rc/index.js";
import {
  configToJson,
  type DisableRequest,
  INSECURE,
  type ModuleUnit,
  namedOrigin,
} from "../../units/index.js";
import type { PlanningContext } from "../facts.js";
import { SHIPPED_MODULES } from "../version.js";
import { ExitError, say } from "../terminal/output.js";
import { PREFIX } from "./units.js";

/** A plan whose libraries have been verified. */
interface VerifiedPlan {
  readonly plan: Plan;
  /** Digests of the libraries, by unit. */
  readonly digests: Readonly<Record<string, string>>;
}

/**
 * Makes the instance open and verify the libraries of a plan, before the first step. Without an instance there is no
 * load.
 * @param replan also receives the plan without the refused optional units
 * @throws ExitError after it has printed every failure
 */
export async function withVerifiedLibraries(
  first: Plan,
  { handle, guard }: Pick<PlanningContext, "handle" | "guard">,
  replan: (refused: readonly DisableRequest[]) => Promise<Plan>,
): Promise<VerifiedPlan> {
  let plan = first;
  const refused = new Map<string, DisableRequest>();
  while (handle !== undefined) {
    const { failures, leftOut, digests } = await verifyLibrariesOf(plan, handle, {
      insecure: guard === INSECURE,
    });
    const names = leftOut.flatMap(({ units }) => units);
    // A disabled unit in the plan was requested by name.
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

/**
 * The failures of the libraries of all units. It verifies the libraries of the plan together. Empty without
 * libraries.
 */
export async function checkLibrariesOf(
  { catalog, steps }: Plan,
  { configuration, guard }: Pick<PlanningContext, "configuration" | "guard">,
): Promise<UnitLibraries | undefined> {
  const planned = steps.flatMap((step) => (step.action === "load" ? [step.unit] : []));
  const names = new Set(planned.map(({ name }) => name));
  const others = catalog.units.filter(
    (unit): unit is ModuleUnit => unit.kind === "module" && !names.has(unit.name) && !unit.disabled,
  );
  if (![...planned, ...others].some(({ module }) => module.includes("#"))) return undefined;
  const request = ({ name: unit, module: path, exec, loader, thread }: ModuleUnit) => ({
    ...{ unit, path, exec, loader, thread },
  });
  return checkUnitLibraries(planned.map(request), others.map(request), {
    modulePath: [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":"),
    config: configToJson(configuration.table),
    insecure: guard === INSECURE,
  });
}

/** The problems of libraries, at the places of the units that pick from them. */
export function libraryDiagnostics({ catalog }: Plan, found: UnitLibraries | undefined): Diagnostic[] {
  if (found === undefined) return [];
  const placeOf = (unit: string): Location | undefined => catalog.originOf(unit, "module")?.location;
  const refused = found.refused.map((failure) => {
    const [first, ...more] = failure.units.map(placeOf);
    return {
      code: "LOAD_LIBRARY" as const,
      severity: "error" as const,
      message: refusalText(failure),
      location: first,
      related: more.map((location) => ({ message: "also picked here", location })),
    };
  });
  const copies = [...found.otherCopies].map(([path, copy]) => ({
    code: "LOAD_LIBRARY" as const,
    severity: "warning" as const,
    message: `${path}: made with Sluice ${copy}, not ${found.version}`,
    location: undefined,
    related: [],
  }));
  return [...refused, ...copies];
}
