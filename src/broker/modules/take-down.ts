import { errnumOf, ERRNO, messageOf } from "../../errors/index.js";
import type { LogLevel } from "../../messages/index.js";
import type { Clock } from "../clock.js";
import type { ModuleTable } from "./module-table.js";
import { inOrder, type TakeDownOrder } from "./take-down-order.js";

/** The options of a take-down. */
export interface TakeDownOptions {
  /** The time after which it cancels a module other than a program. Default: never. */
  readonly cancelAfterMs?: number | undefined;
  /** Cancels all remaining modules at once. */
  readonly signal?: AbortSignal | undefined;
}

interface Surroundings {
  readonly clock: Clock;
  readonly log: (level: LogLevel, text: string) => void;
}

/** How often it tries to remove modules that were loaded while it removed others. */
const ROUNDS = 3;

/**
 * Takes down every loaded module, from the broker's own records. It needs no file, no socket and
 * no other process (docs/design/instance.md §1). A removal that fails does not block the others.
 * @returns names of the modules that did not end cleanly
 */
export async function takeDown(
  modules: ModuleTable,
  { clock, log }: Surroundings,
  { cancelAfterMs = Infinity, signal }: TakeDownOptions = {},
): Promise<string[]> {
  const failed: string[] = [];
  const { known } = modules;
  known.seal();
  for (let round = 0; round < ROUNDS; round++) {
    const order = known.takeDownOrder();
    if (order.nodes.every((name) => name === "")) break;
    await inOrder(order, async (name) => {
      const entry = known.entry(name);
      const allowedMs = entry?.removalTimeoutMs ?? Infinity;
      const limitMs = entry?.isProgram === true ? allowedMs : Math.min(allowedMs, cancelAfterMs);
      try {
        const isLate = await removeWithin(modules, name, { clock, limitMs, signal });
        if (!isLate || limitMs !== allowedMs) return;
        failed.push(name);
        log("err", `${name}: not removed within ${limitMs / 1000} s, cancelled`);
      } catch (error) {
        if (errnumOf(error) === ERRNO.ENOENT) return;
        failed.push(name);
        log("err", `${name}: ${messageOf(error)}`);
      }
    });
  }
  return failed;
}

interface Limits {
  readonly clock: Clock;
  readonly limitMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @returns whether this had to cancel the module because its time had passed */
async function removeWithin(
  modules: ModuleTable,
  name: string,
  { clock, limitMs, signal }: Limits,
): Promise<boolean> {
  let isLate = false;
  const cancel = (): void => {
    // The waiting removal reports its end.
    void modules.remove(name, "force").catch(() => undefined);
  };
  const expire = (): void => {
    isLate = true;
    cancel();
  };
  const timer = Number.isFinite(limitMs) ? clock.after(limitMs, expire) : undefined;
  signal?.addEventListener("abort", cancel);
  try {
    await modules.remove(name, signal?.aborted === true ? "force" : "ask");
    return isLate;
  } finally {
    timer?.cancel();
    signal?.removeEventListener("abort", cancel);
  }
}

/**
 * The longest time that taking an order down may need by the limits of its modules (0 for a module without a limit).
 */
export function longestRemovalMs(
  order: TakeDownOrder,
  limitMsOf: (name: string) => number | undefined,
): number {
  const { nodes, offsets, targets } = order;
  const waiting = new Uint32Array(nodes.length);
  for (const target of targets) waiting[target] = (waiting[target] ?? 0) + 1;
  const startsMs = new Float64Array(nodes.length);
  const free = [...waiting.keys()].filter((node) => waiting[node] === 0);
  let longestMs = 0;
  for (let node = free.pop(); node !== undefined; node = free.pop()) {
    const endMs = (startsMs[node] ?? 0) + (limitMsOf(nodes[node] ?? "") ?? 0);
    longestMs = Math.max(longestMs, endMs);
    for (let e = offsets[node] ?? 0; e < (offsets[node + 1] ?? 0); e++) {
      const target = targets[e] ?? 0;
      startsMs[target] = Math.max(startsMs[target] ?? 0, endMs);
      waiting[target] = (waiting[target] ?? 0) - 1;
      if (waiting[target] === 0) free.push(target);
    }
  }
  return longestMs;
}
