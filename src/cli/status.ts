import { Command } from "commander";
import { fields, type Handle } from "../messages/index.js";
import { indentLines } from "../errors/index.js";
import { printJson, printLine } from "./terminal/output.js";
import { type UriOption, withInstance, withUri } from "./session.js";
import { lookAtWaits } from "./wait-reports.js";

/** The errors that are shown, latest last. */
const SHOWN_ERRORS = 5;
const ERROR_LEVELS: ReadonlySet<string> = new Set(["emerg", "alert", "crit", "err"]);

const STATE_NAMES: Readonly<Record<string, string>> = {
  I: "initializing",
  R: "running",
  F: "finalizing",
  E: "exited",
};

interface InstanceStatus {
  readonly size: number;
  readonly online: number;
  /** Ranks that are not online, with their state. */
  readonly away: readonly { readonly rank: number; readonly state: string }[];
  /** Number of modules of this broker by state. */
  readonly modules: Readonly<Record<string, number>>;
  /**
   * Modules that others wait for: they do not run yet or no more, or they have an answer to give. Times in seconds.
   */
  readonly waiting: readonly { readonly name: string; readonly state: string; readonly seconds: number }[];
  /** Rings of requests that can never be answered, as `sluice waits` shows them. */
  readonly deadlocks: readonly string[];
  /** The latest errors in the log. */
  readonly errors: readonly { readonly time: number; readonly name: string; readonly text: string }[];
}

export function command(): Command {
  return withUri(new Command("status"))
    .option("--json", "one JSON object: {size, online, away, modules, waiting, deadlocks, errors}")
    .addHelpText("after", "\nExample:\n  sluice status")
    .action((options: UriOption & { readonly json?: boolean }) =>
      withInstance(options, async (handle) => {
        const status = await statusOf(handle);
        if (options.json) printJson(status);
        else statusLines(status).forEach(printLine);
      }),
    );
}

async function statusOf(handle: Handle): Promise<InstanceStatus> {
  const [ranks, modules, deadlocks, errors] = await Promise.all([
    ranksOf(handle),
    modulesOf(handle),
    deadlocksOf(handle),
    errorsOf(handle),
  ]);
  const away = ranks.filter(({ state }) => state !== "online");
  const counts: Record<string, number> = {};
  for (const { state } of modules) counts[state] = (counts[state] ?? 0) + 1;
  return {
    size: handle.size,
    online: ranks.length - away.length,
    away,
    modules: counts,
    waiting: modules.flatMap(({ name, state, idleSeconds, owedSeconds }) => {
      if (state === "running" && owedSeconds === 0) return [];
      return [{ name, state, seconds: state === "running" ? owedSeconds : idleSeconds }];
    }),
    deadlocks,
    errors,
  };
}

async function ranksOf(handle: Handle) {
  const { ranks } = fields(await handle.rpc("overlay.status", undefined, { rank: 0 }), { ranks: "array" });
  return ranks.map((item) => fields(item, { rank: "integer", state: "string" }));
}

async function modulesOf(handle: Handle) {
  const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
  return modules.map((item) => {
    const module = fields(item, {
      name: "string",
      state: "string",
      idleSeconds: "number",
      owedSeconds: "number",
    });
    return { ...module, state: STATE_NAMES[module.state] ?? module.state };
  });
}

async function deadlocksOf(handle: Handle): Promise<string[]> {
  const { chainText } = await import("../waits/index.js");
  const { graph } = await lookAtWaits(handle);
  return graph.deadlocks.map((ring) => chainText(ring, handle.size > 1));
}

async function errorsOf(handle: Handle) {
  const errors: InstanceStatus["errors"][number][] = [];
  for await (const entry of handle.rpcStream("log.dmesg", {})) {
    const { level, ...error } = fields(entry, ENTRY);
    if (ERROR_LEVELS.has(level)) errors.push(error);
  }
  return errors.slice(-SHOWN_ERRORS);
}

const ENTRY = { time: "number", level: "string", name: "string", text: "string" } as const;

function statusLines({ size, online, away, modules, waiting, deadlocks, errors }: InstanceStatus): string[] {
  const counts = Object.entries(modules).map(([state, count]) => `${count} ${state}`);
  return [
    `ranks    ${online} of ${size} online${away.map(({ rank, state }) => `, ${rank} ${state}`).join("")}`,
    `modules  ${counts.length === 0 ? "none" : counts.join(", ")}`,
    ...waiting.map(
      ({ name, state, seconds }) =>
        `waiting  for ${name}: ${state === "running" ? "no answer" : state} for ${seconds.toFixed(1)} s`,
    ),
    ...deadlocks.map((ring) => `deadlock ${ring}`),
    ...errors.map(
      ({ time, name, text }) =>
        `error    ${new Date(time * 1000).toISOString()} ${name}: ${indentLines(text)}`,
    ),
  ];
}
