import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  applyOnAll,
  type ApplyEnd,
  applyPayload,
  ApplySession,
  compareWith,
  type RankProposal,
  recordedIn,
} from "../../../src/instance/apply/index.js";
import type { ApplyPlan } from "../../../src/graph/index.js";
import { fields, type Handle } from "../../../src/messages/index.js";
import { startStage, type Stage } from "../../loaders/command/support.js";
import { catalogOfText, planOfCatalog } from "../../graph/apply/stacks.js";

export interface ApplyHow {
  readonly roots?: readonly string[] | undefined;
  readonly only?: readonly string[];
  readonly rollback?: boolean;
  readonly settleMs?: number;
  readonly held?: boolean;
}

export interface Applied {
  readonly plan: ApplyPlan;
  readonly end: ApplyEnd;
}

/** A broker with real programs, whose units are applied as texts. */
export interface LiveStack extends Stage {
  /** Brings it to what a text says, as `modprobe apply` does. */
  apply(text: string, how?: ApplyHow): Promise<Applied>;
  /** The comparison alone. */
  compare(text: string, how?: ApplyHow): Promise<ApplyPlan>;
  /** The steps that `applyOnAll` takes, for rank 0, with the session that is to run them. */
  propose(text: string, how?: ApplyHow, from?: Handle): Promise<RankProposal>;
  /** Checks the steps and gives the session that is to run them. */
  prepare(text: string, how?: ApplyHow, from?: Handle): Promise<ApplySession>;
  /** Name → id of the main process, of all that runs. */
  pids(): Promise<Record<string, number>>;
}

export async function liveStack(): Promise<LiveStack> {
  const stage = await startStage();
  const { handle, dir } = stage;
  const compare = async (text: string, { roots, only }: ApplyHow = {}, from = handle): Promise<ApplyPlan> => {
    const recorded = await recordedIn(from);
    const catalog = catalogOfText(text, join(dir, "units.toml"));
    const kept = recorded.filter(({ byName, name }) => byName && catalog.byName.has(name));
    const plan = planOfCatalog(
      catalog,
      roots,
      kept.map(({ name }) => name),
    );
    const result = await compareWith(plan, from, { only });
    if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
    return result.value;
  };
  const stepsOf = async (plan: ApplyPlan, how: ApplyHow, from = handle) =>
    applyPayload(plan, await recordedIn(from), {
      ...{ rollback: how.rollback ?? true, settleMs: how.settleMs ?? 0, held: how.held ?? false },
      isPartial: how.only !== undefined,
    });
  const open = (from = handle): Promise<ApplySession> =>
    ApplySession.open(from, 0, { by: "the test", onWaiting: () => undefined });
  return {
    ...stage,
    compare,
    apply: async (text, how = {}) => {
      const session = await open();
      try {
        const plan = await compare(text, how);
        const steps = await stepsOf(plan, how);
        const end = await applyOnAll([{ rank: 0, session, steps }], { isRollback: how.rollback ?? true });
        return { plan, end };
      } finally {
        await session.close();
      }
    },
    propose: async (text, how = {}, from = handle) => {
      const session = await open(from);
      return { rank: 0, session, steps: await stepsOf(await compare(text, how, from), how, from) };
    },
    prepare: async (text, how = {}, from = handle) => {
      const session = await open(from);
      const failures = await session.prepare(await stepsOf(await compare(text, how, from), how, from));
      if (failures.length > 0) throw new Error(JSON.stringify(failures));
      return session;
    },
    pids: async () => {
      const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
      const names = modules.map((module) => fields(module, { name: "string" }).name);
      const pids = await Promise.all(names.map((name) => stage.pid(name)));
      return Object.fromEntries(names.map((name, i) => [name, pids[i] ?? 0]));
    },
  };
}

/** Writes a file into the directory of a stack, where its units find it. */
export function writeBeside({ dir }: Stage, name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}
