// Hosts of modules run from files, so this is what was built.
import { Broker, StartError } from "../../../dist/index.js";
import { type Attempt, recordPlan, type RunRecord } from "../../../src/analysis/index.js";
import { isRunMessages, type RunMessages } from "../../../src/analysis/unit-messages.js";
import { plan } from "../../../src/graph/index.js";
import { eventToJson, type RunEvent, type Shuffle } from "../../../src/run/index.js";
import type { Catalog } from "../../../src/units/index.js";
import { type RandomCatalog, stackOf } from "./catalogs.js";

/** A start of real modules in some order, and its record. */
export interface RecordedStart extends Attempt {
  readonly record: RunRecord;
  readonly catalog: Catalog;
}

/** Starts all units of catalogs, each time in another order. */
export class Starts {
  readonly #stack: ReturnType<typeof stackOf>;
  readonly #roots: readonly string[];

  constructor(...catalogs: readonly RandomCatalog[]) {
    this.#stack = stackOf(...catalogs);
    this.#roots = catalogs.flatMap(({ units }) => units);
  }

  /** In the order of the file, in which each comes after all that it asks. */
  inOrder(): Promise<RecordedStart> {
    return this.start({ kind: "order", text: "", units: this.#roots });
  }

  async start(shuffle: Shuffle): Promise<RecordedStart> {
    const text =
      shuffle.kind === "seed" ? shuffle.text : `@${this.#stack.write("order", shuffle.units.join("\n"))}`;
    const events: RunEvent[] = [];
    const options = await this.#stack.options({
      ...{ roots: this.#roots, attributes: { "broker.shuffle": text } },
      onEvent: (event) => events.push(event),
    });
    const { units } = options;
    if (units === undefined || !("ok" in units) || !units.ok) throw new Error("the units are not sound");
    const planned = plan(units.value, { roots: this.#roots, facts: { rank: 0, size: 1 } });
    if (!planned.ok) throw new Error("there is no plan");
    const recordOf = (messages?: RunMessages): RunRecord => ({
      ...{ command: "rc1", rank: 0, version: "0.0.0", plan: recordPlan(planned.value) },
      ...{ events: events.map(eventToJson), messages },
    });
    const startOf = (record: RunRecord, failure: Attempt["failure"]): RecordedStart => {
      return { record, records: [record], failure, catalog: units.value };
    };
    let broker: Broker;
    try {
      broker = await Broker.start(options);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      return startOf(recordOf(), { unit: error.unit, message: error.message });
    }
    try {
      const handle = await broker.connect();
      const messages: unknown = await handle.rpc("module.messages");
      if (!isRunMessages(messages)) throw new Error("the broker answered no messages");
      return startOf(recordOf(messages), undefined);
    } finally {
      await broker.close();
    }
  }
}
