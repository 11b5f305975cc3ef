import { criticalEdges } from "./critical-edges.js";
import type { Edge } from "./edit.js";
import { Orders } from "./orders.js";
import type { RecordedPlan, RunRecord } from "./record.js";
import type { UnitLink } from "./unit-messages.js";
import { whatIf } from "./what-if.js";

/** A unit that sent a request to another and got an answer, although no relation orders the two. */
export interface LuckyMessage {
  readonly unit: string;
  /** The unit that answered. */
  readonly asked: string;
  readonly topics: readonly string[];
  /** Whether an order of the two units would close a ring with the orders for the messages before this one. */
  readonly closesRing: boolean;
}

/** A direct relation between modules that no message used. */
export interface UnusedEdge extends Edge {
  /** By how much the run would be shorter without it. */
  readonly savedNs: number;
}

/** The comparison of a run's messages with its relations (docs/design/planning.md §10). */
export interface Lesson {
  /** Whether the record has all messages of the run. If not, no edge counts as unused. */
  readonly isComplete: boolean;
  /** The sender sent the request before it ran: a start in another order fails. */
  readonly missing: readonly LuckyMessage[];
  /**
   * The sender sent the request while it ran, perhaps for a third unit: a start in another order may fail.
   */
  readonly doubtful: readonly LuckyMessage[];
  /** The largest saving comes first. */
  readonly unused: readonly UnusedEdge[];
}

/**
 * Compares the order of a recorded run with the messages between its modules.
 * @param now the plan as it would be now. An order that it has by now is not missing. An order that it has
 * lost is not unused
 * @returns undefined if the record has no messages
 */
export function learn(record: RunRecord, now?: RecordedPlan): Lesson | undefined {
  const { messages, plan } = record;
  if (messages === undefined) return undefined;
  const orders = new Orders(plan);
  const ordersNow = now && new Orders(now);
  const place = new Map(plan.steps.map(({ unit }, step) => [unit, step]));
  const lucky = messages.between.filter(
    ({ from, to, answered }) =>
      answered.length > 0 && !orders.hasEither(from, to) && ordersNow?.hasEither(from, to) !== true,
  );
  lucky.sort((a, b) => (place.get(a.from) ?? 0) - (place.get(b.from) ?? 0));
  const missing = lucky.filter(isEarly).map((link): LuckyMessage => ({
    ...luckyMessage(link, (isStarting) => isStarting),
    closesRing: !orders.add(link.to, link.from),
  }));
  const doubtful = lucky
    .filter((link) => !isEarly(link))
    .map((link): LuckyMessage => ({
      ...luckyMessage(link, () => true),
      closesRing: orders.has(link.from, link.to),
    }));
  const { isComplete } = messages;
  return { isComplete, missing, doubtful, unused: isComplete ? unusedEdges(record, ordersNow) : [] };
}

function isEarly({ answered }: UnitLink): boolean {
  return answered.some(({ isStarting }) => isStarting);
}

function luckyMessage(
  { from, to, answered }: UnitLink,
  counts: (isStarting: boolean) => boolean,
): Omit<LuckyMessage, "closesRing"> {
  const topics = answered.flatMap(({ topic, isStarting }) => (counts(isStarting) ? [topic] : []));
  return { unit: from, asked: to, topics: topics.toSorted() };
}

/**
 * Direct relations of modules that send messages, where no message went from one to the other, directly or through
 * others. A wildcard gives no single relation. A record has no messages of tasks and ordinary programs.
 */
function unusedEdges(record: RunRecord, now: Orders | undefined): UnusedEdge[] {
  const { plan, messages } = record;
  const uses = new Uses(messages?.between ?? []);
  const speaks = plan.steps.map(({ action, isProgram }) => action === "load" && isProgram !== true);
  const unused = plan.steps.flatMap(({ unit, after }, step) =>
    after.flatMap((before) => {
      const other = plan.steps[before]?.unit;
      if (other === undefined || speaks[step] !== true || speaks[before] !== true) return [];
      if (now?.hasEdge(other, unit) === false) return [];
      return uses.connects(unit, other) || uses.connects(other, unit) ? [] : [{ unit, after: other }];
    }),
  );
  const critical = criticalEdges(record);
  return unused
    .map((edge) => ({ ...edge, savedNs: critical.has(edge) ? savingOf(record, edge) : 0 }))
    .sort((a, b) => b.savedNs - a.savedNs);
}

function savingOf(record: RunRecord, edge: Edge): number {
  const { recorded, predicted } = whatIf(record, { unordered: [edge] });
  return Math.max(0, recorded.durationNs - predicted.durationNs);
}

/** For each unit, the units that it reaches by messages, directly or through others. */
class Uses {
  readonly #next = new Map<string, string[]>();
  readonly #reached = new Map<string, ReadonlySet<string>>();

  constructor(between: readonly UnitLink[]) {
    for (const { from, to } of between) {
      const next = this.#next.get(from);
      if (next === undefined) this.#next.set(from, [to]);
      else next.push(to);
    }
  }

  connects(from: string, to: string): boolean {
    let reached = this.#reached.get(from);
    if (reached === undefined) {
      const found = new Set([from]);
      // The loop adds to the set that it iterates over.
      for (const unit of found) for (const next of this.#next.get(unit) ?? []) found.add(next);
      this.#reached.set(from, (reached = found));
    }
    return reached.has(to);
  }
}
