import type { ApplyCause, ApplyPlan, ModuleFile, Plan, RecordedModule } from "../../graph/index.js";
import { planApply, unitDifferences } from "../../graph/index.js";
import type { Result } from "../../errors/index.js";
import { fields, type Handle, type JsonValue } from "../../messages/index.js";
import { loadRequest } from "../../rc/index.js";
import type { Catalog } from "../../units/index.js";

const RECORD = {
  name: "string",
  args: "string[]",
  options: "object",
  services: "string[]",
  state: "string",
  byName: "boolean",
  isPlanned: "boolean",
  file: "object",
} as const;

const FILE = { digest: "string?", loader: "string?", member: "string?", variables: "string?" } as const;

/** Requests from a broker which modules run or have ended, with the data that each was loaded with. */
export async function recordedIn(handle: Handle): Promise<RecordedModule[]> {
  return (await askRecord(handle, [])).recorded;
}

/** The options of a comparison. */
interface ComparisonOptions {
  /** Units or services to compare; default: all. */
  readonly only?: readonly string[] | undefined;
  readonly insecure?: boolean | undefined;
}

/**
 * Compares the modules of a broker with a plan of all that is to run.
 * @returns the steps; or the unknown names of `only`
 */
export async function compareWith(
  plan: Plan,
  handle: Handle,
  { only, insecure }: ComparisonOptions,
): Promise<Result<ApplyPlan>> {
  const units = plan.steps.flatMap((step) => (step.action === "load" ? [step] : []));
  const requests = units.map(({ unit, explicit }) => loadRequest(unit, { explicit, insecure }));
  const { recorded, files } = await askRecord(handle, requests);
  const byUnit = new Map(
    units.flatMap(({ unit }, i) => (files[i] === undefined ? [] : [[unit.name, files[i]]])),
  );
  return planApply({ plan, recorded, files: byUnit, only });
}

/** The differences between the files and a running module; empty if it does not run. */
export async function differencesFrom(
  catalog: Catalog,
  name: string,
  handle: Handle,
): Promise<readonly ApplyCause[]> {
  const unit = catalog.byName.get(name);
  const requests = unit?.kind === "module" ? [loadRequest(unit, { explicit: false })] : [];
  const { recorded, files } = await askRecord(handle, requests);
  const module = recorded.find((each) => each.name === name);
  return module === undefined ? [] : unitDifferences(catalog, module, files[0]);
}

async function askRecord(
  handle: Handle,
  requests: readonly JsonValue[],
): Promise<{ readonly recorded: RecordedModule[]; readonly files: ModuleFile[] }> {
  const answer = await handle.rpc("module.record", { requests });
  const { modules, files } = fields(answer, { modules: "array", files: "array" });
  return {
    recorded: modules.map((module) => {
      const { state, file, ...read } = fields(module, RECORD);
      return { ...read, state: stateOf(state), file: fileOf(file) };
    }),
    files: files.map(fileOf),
  };
}

function fileOf(value: JsonValue): ModuleFile {
  const { digest = null, loader = null, member = null, variables = null } = fields(value, FILE);
  return { digest, loader, member, variables };
}

function stateOf(text: string): RecordedModule["state"] {
  return text === "waits" || text === "failed" || text === "ended" ? text : "up";
}
