import { type Adjacent, findPair, oneByOne, seeded, type Shuffle, shuffleWeights } from "../run/index.js";
import { type DoubtedOrder, doubtedOrders } from "./doubted-orders.js";
import { dagOf, type RunRecord } from "./record.js";

/** Why a start failed. */
export interface StartFailure {
  /** The unit that failed first; undefined if no unit did. */
  readonly unit: string | undefined;
  readonly message: string;
}

/** A start in one order of its units. */
export interface Attempt {
  /** Undefined: the start succeeded. */
  readonly failure: StartFailure | undefined;
  /** The runs of rc1 on each rank. The run of a failed rank comes first. Empty if no rc1 began. */
  readonly records: readonly RunRecord[];
}

/** The order that a start tries. */
export type Tried =
  | { readonly kind: "seed"; readonly seed: number }
  /** An order that `modprobe learn` doubts. */
  | ({ readonly kind: "doubt" } & DoubtedOrder);

/** The finding about a failed order. */
export type Finding =
  /** Two orders differ only in these two neighbours. Only this order of them fails. */
  | { readonly kind: "pair"; readonly pair: Adjacent }
  /** The same order once more did not fail. */
  | { readonly kind: "not-repeated" }
  /** Other orders fail too. */
  | { readonly kind: "every-order" }
  /** It failed before the run had an order. */
  | { readonly kind: "no-order" };

/** The result of starts in several orders. */
export interface ShuffleVerdict {
  /** Seeds that were tried, including a failed one. */
  readonly seeds: number;
  /** Orders that were tried because `modprobe learn` doubts them. */
  readonly doubts: number;
  /** The number of all starts, including those of the search. */
  readonly starts: number;
  readonly failed:
    { readonly tried: Tried; readonly failure: StartFailure; readonly finding: Finding } | undefined;
}

/** The actions of the search outside this module. */
export interface ShuffleHost {
  attempt(shuffle: Shuffle): Promise<Attempt>;
  /** Called after each order that is tried. */
  onTried(tried: Tried, failure: StartFailure | undefined): void;
}

/**
 * Starts in one order after the other until one fails, and then looks for the pair of units whose order matters
 * (docs/design/planning.md §7). The seeds give the orders. Where the messages of a successful start show that an
 * order may have been chance, the opposite order comes first.
 */
export async function shuffleStarts(
  { first, count }: { readonly first: number; readonly count: number },
  host: ShuffleHost,
): Promise<ShuffleVerdict> {
  const search = new Search(host);
  const counts = { seeds: 0, doubts: 0 };
  const queue: Tried[] = Array.from({ length: count }, (_, at) => ({ kind: "seed", seed: first + at }));
  const known = new Set<string>();
  for (let tried = queue.shift(); tried !== undefined; tried = queue.shift()) {
    const { failure, records } = await search.attempt(shuffleOf(tried));
    counts[tried.kind === "seed" ? "seeds" : "doubts"]++;
    host.onTried(tried, failure);
    const [record] = records;
    if (failure !== undefined) {
      const finding: Finding =
        record === undefined ? { kind: "no-order" } : await search.find(tried, record, failure);
      return { ...counts, starts: search.starts, failed: { tried, failure, finding } };
    }
    if (record !== undefined) search.passing = orderOf(record, shuffleOf(tried));
    queue.unshift(...newDoubts(records, known));
  }
  return { ...counts, starts: search.starts, failed: undefined };
}

/** Doubted orders with a pair that no earlier order had. */
function newDoubts(records: readonly RunRecord[], known: Set<string>): Tried[] {
  return records.flatMap(doubtedOrders).flatMap((order): Tried[] => {
    const before = known.size;
    for (const { first, then } of order.pairs) known.add(`${first} ${then}`);
    return known.size === before ? [] : [{ kind: "doubt", ...order }];
  });
}

function shuffleOf(tried: Tried): Shuffle {
  return tried.kind === "seed" ? seeded(tried.seed) : listed(tried.units);
}

class Search {
  readonly #host: ShuffleHost;
  starts = 0;
  /** The last order that succeeded. */
  passing: readonly string[] | undefined;

  constructor(host: ShuffleHost) {
    this.#host = host;
  }

  attempt(shuffle: Shuffle): Promise<Attempt> {
    this.starts++;
    return this.#host.attempt(shuffle);
  }

  async find(tried: Tried, record: RunRecord, { unit }: StartFailure): Promise<Finding> {
    const failing = orderOf(record, shuffleOf(tried));
    if (!(await this.#fails(failing))) return { kind: "not-repeated" };
    const passing = await this.#passingOrder(record, failing, unit);
    if (passing === undefined) return { kind: "every-order" };
    const found = await findPair(failing, passing, (order) => this.#fails(order));
    return found === undefined ? { kind: "not-repeated" } : { kind: "pair", pair: found.pair };
  }

  /**
   * An order that succeeded before; else the order with the failed unit as late as possible; else the canonical
   * order.
   */
  async #passingOrder(
    record: RunRecord,
    failing: readonly string[],
    unit: string | undefined,
  ): Promise<readonly string[] | undefined> {
    if (this.passing !== undefined && hasSame(this.passing, failing)) return this.passing;
    const late = orderOf(record, listed(failing.filter((other) => other !== unit)));
    const canonical = record.plan.steps.map(({ unit: name }) => name);
    for (const order of [late, canonical]) if (!(await this.#fails(order))) return order;
    return undefined;
  }

  async #fails(order: readonly string[]): Promise<boolean> {
    const { failure } = await this.attempt(listed(order));
    return failure !== undefined;
  }
}

function listed(units: readonly string[]): Shuffle {
  return { kind: "order", text: "", units };
}

/** All units of a recorded plan in the order of a shuffle, including those that did not run. */
function orderOf({ plan }: RunRecord, shuffle: Shuffle): string[] {
  const names = plan.steps.map(({ unit }) => unit);
  return oneByOne(dagOf(plan), shuffleWeights(names, shuffle)).map((step) => names[step] ?? "");
}

function hasSame(some: readonly string[], others: readonly string[]): boolean {
  const names = new Set(some);
  return names.size === others.length && others.every((name) => names.has(name));
}

/**
 * Describes the first failure of a recorded run. For an interrupted run, it describes the steps that the run waited
 * for.
 */
export function failureIn({ events }: RunRecord): StartFailure | undefined {
  for (const event of events) {
    if ((event.type === "fail" || event.type === "timeout") && event.optional !== true) {
      return { unit: event.unit, message: event.message };
    }
  }
  const cancelled = events.find((event) => event.type === "cancel");
  return cancelled && { unit: cancelled.unit, message: "did not end in time" };
}
