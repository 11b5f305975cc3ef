import { causesText } from "../../graph/index.js";
import { differencesFrom, recordedIn } from "../../instance/apply/index.js";
import { type FactOptions, type PlanningContext, withPlanningContext } from "../facts.js";
import { phaseFiles, rcSessionFor, readUnits } from "../modprobe/read-and-plan.js";
import { commandPrefix, say } from "../terminal/output.js";

/**
 * Reports where the files differ from the values that a module of a plan runs with. A reload starts it with the
 * values that it was loaded with (docs/design/programs.md §3).
 */
export async function sayWhatFilesSay(name: string, options: FactOptions): Promise<void> {
  const text = await withPlanningContext(options, (context) => otherwiseText(name, context), {
    isLive: true,
  });
  if (text !== undefined) say(`${commandPrefix()}: ${name}: ${text}`);
}

async function otherwiseText(name: string, context: PlanningContext): Promise<string | undefined> {
  const { handle } = context;
  if (handle === undefined) return undefined;
  // A module loaded without a unit belongs to no unit.
  const isOfUnit = (await recordedIn(handle)).some((module) => module.name === name && module.isPlanned);
  if (!isOfUnit) return undefined;
  const planning = { planOnly: true };
  const files = await phaseFiles("rc1", context, {});
  const session = rcSessionFor(context, planning);
  try {
    session.startHosts(files);
    const read = await readUnits(files, session, context, planning);
    if (!read.ok) {
      return "Sluice cannot compare the module with the files, which have errors; 'sluice modprobe verify' lists the errors";
    }
    const causes = await differencesFrom(read.value.catalog, name, handle);
    if (causes.length === 0) return undefined;
    return `the files have changed (${causesText(causes)}); run 'sluice modprobe apply ${name}' to apply the change`;
  } finally {
    await session.close();
  }
}
