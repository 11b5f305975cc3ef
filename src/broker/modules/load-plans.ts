import { requestError } from "../../errors/index.js";
import type { LoadOrder } from "./take-down-order.js";

/** How many plans without a loaded module the broker keeps, because their first loads may still come. */
const UNUSED_KEPT = 16;

/** The plans by which modules were loaded, as long as some of their modules are left. */
export class LoadPlans {
  readonly #plans = new Map<number, LoadOrder>();
  #turn = 0;

  /**
   * Keeps a plan whose modules are about to be loaded.
   * @param inUse numbers of the plans that have loaded the current modules
   * @returns its number, for the loads
   * @throws SluiceError `EINVAL` if it is no graph
   */
  add(order: LoadOrder, inUse: ReadonlySet<number>): number {
    checkGraph(order);
    const unused = [...this.#plans.keys()].filter((plan) => !inUse.has(plan));
    for (const plan of unused.slice(0, -UNUSED_KEPT)) this.#plans.delete(plan);
    this.#turn++;
    this.#plans.set(this.#turn, order);
    return this.#turn;
  }

  /** The turn of a module that is loaded now: the turn of its plan, else a turn of its own. */
  turnOf(plan: number | undefined): number {
    if (plan !== undefined && this.#plans.has(plan)) return plan;
    return ++this.#turn;
  }

  /** The plans that have loaded a current module, in order. */
  those(turns: ReadonlySet<number>): LoadOrder[] {
    return [...this.#plans].filter(([plan]) => turns.has(plan)).map(([, order]) => order);
  }
}

function checkGraph({ nodes, offsets, targets }: LoadOrder): void {
  const isGraph =
    offsets.length === nodes.length + 1 &&
    offsets[0] === 0 &&
    offsets[nodes.length] === targets.length &&
    offsets.every((offset, i) => i === 0 || offset >= (offsets[i - 1] ?? 0)) &&
    targets.every((target) => target < nodes.length);
  if (!isGraph) throw requestError("EINVAL", "the order of a plan is not a valid graph");
}
