import { digestOf } from "../../libraries/index.js";
import type { LoadRequest, Trial } from "../modules/module-entry.js";
import type { GoneModule } from "../modules/known-modules.js";
import type { ApplyModules } from "./apply-modules.js";
import { unitMessage } from "./unit-message.js";
import { inOrder, type LoadOrder, type TakeDownOrder } from "../modules/take-down-order.js";

/** The state of a module before an apply changed it. */
interface Before {
  readonly request: LoadRequest;
  readonly digest: string | undefined;
  readonly uuid: string | undefined;
  /** Whether it ran: a module that had failed need not work again. */
  readonly wasUp: boolean;
}

/** A unit in neither its old nor its new state. */
export interface Leftover {
  readonly unit: string;
  readonly why: string;
}

/** The state before an apply, for the undo. */
export class Undo {
  /** The modules that it loads at present. */
  readonly underway = new Set<string>();
  readonly #modules: ApplyModules;
  readonly #before: ReadonlyMap<string, Before>;
  /** The modules that had ended by themselves. */
  readonly #gone: readonly GoneModule[];
  readonly #order: LoadOrder;

  private constructor(
    modules: ApplyModules,
    before: ReadonlyMap<string, Before>,
    gone: readonly GoneModule[],
  ) {
    this.#modules = modules;
    this.#before = before;
    this.#gone = gone;
    this.#order = reversed(modules.takeDownOrder());
  }

  /** Records the current state of modules. */
  static async of(modules: ApplyModules, names: Iterable<string>): Promise<Undo> {
    const before = new Map<string, Before>();
    const all = [...names];
    for (const name of all) {
      const entry = modules.entry(name);
      if (entry === undefined) continue;
      const request = { ...entry.request, name, args: entry.args, kept: entry.started };
      const digest = await entry.digest;
      const wasUp = entry.state.kind === "up";
      before.set(name, { request, digest, uuid: entry.instance?.uuid, wasUp });
    }
    const gone = all.flatMap((name) => modules.goneModule(name) ?? []);
    return new Undo(modules, before, gone);
  }

  /** The request of a module as it was, without the environment that it had. */
  requestOf(name: string): LoadRequest | undefined {
    return this.#before.get(name)?.request;
  }

  /**
   * Loads modules again as they were, in the order of their first loads.
   * @param isOver asked before each module: whether to stop the undo
   * @returns the modules that the undo could not restore
   */
  async restore(names: ReadonlySet<string>, trial: Trial, isOver: () => boolean): Promise<Leftover[]> {
    const left: Leftover[] = [];
    await inOrder(restricted(this.#order, names), async (name) => {
      const why = isOver() ? this.#asItIs(name) : await this.#restore(name, trial);
      if (why !== undefined) left.push({ unit: name, why });
    });
    for (const gone of this.#gone) this.#modules.recall(gone);
    return left;
  }

  /** Why a module that was not restored differs from its old state; undefined if it does not differ. */
  #asItIs(name: string): string | undefined {
    const entry = this.#modules.entry(name);
    if (entry?.state.kind === "up") return undefined;
    return this.#before.get(name)?.wasUp === true ? "is not loaded" : undefined;
  }

  async #restore(name: string, trial: Trial): Promise<string | undefined> {
    const before = this.#before.get(name);
    const entry = this.#modules.entry(name);
    if (before === undefined) return undefined;
    const isUp = entry?.state.kind === "up";
    if (isUp && entry.instance?.uuid === before.uuid) return undefined;
    if (!before.wasUp) {
      if (entry !== undefined) await this.#drop(name);
      return undefined;
    }
    const hasChanged = await this.#hasChanged(before);
    if (hasChanged && isUp) return "its file has changed since its start, with the new module still loaded";
    const isFailedExchange = entry !== undefined;
    if (hasChanged && isFailedExchange) {
      await this.#drop(name);
      return "is not loaded: its file has changed since its start";
    }
    this.underway.add(name);
    try {
      await this.#modules.exchange(name, before.request, trial);
      return hasChanged ? "its file has changed since its start, and runs now" : undefined;
    } catch (error) {
      await this.#drop(name);
      return `is not loaded: ${unitMessage(name, error)}`;
    } finally {
      this.underway.delete(name);
    }
  }

  async #hasChanged({ request, digest }: Before): Promise<boolean> {
    if (digest === undefined) return false;
    try {
      return (await digestOf((await this.#modules.find(request)).path)) !== digest;
    } catch {
      // The load reports any problem with it.
      return true;
    }
  }

  async #drop(name: string): Promise<void> {
    await this.#modules.remove(name, "cancel").catch(() => undefined);
  }
}

/** An order with only some of its modules. It keeps the order between those. */
export function restricted(order: TakeDownOrder, names: ReadonlySet<string>): TakeDownOrder {
  return { ...order, nodes: order.nodes.map((name) => (names.has(name) ? name : "")) };
}

/** An order in which the modules follow one after the other. */
export function chain(names: readonly string[]): TakeDownOrder {
  const offsets = Uint32Array.from([...names, ""], (_, node) =>
    Math.min(node, Math.max(names.length - 1, 0)),
  );
  return { nodes: names, offsets, targets: Uint32Array.from(names.slice(1), (_, node) => node + 1) };
}

/** The module that ends first starts last. */
export function reversed({ nodes, offsets, targets }: TakeDownOrder): LoadOrder {
  const rows: number[][] = nodes.map(() => []);
  for (let node = 0; node < nodes.length; node++) {
    for (let e = offsets[node] ?? 0; e < (offsets[node + 1] ?? 0); e++) rows[targets[e] ?? 0]?.push(node);
  }
  const starts = new Uint32Array(nodes.length + 1);
  for (const [node, row] of rows.entries()) starts[node + 1] = (starts[node] ?? 0) + row.length;
  return { nodes, offsets: starts, targets: Uint32Array.from(rows.flat()) };
}
