import {
  readRecord,
  recordedDurations,
  recordPlan,
  RecordStore,
  type RunMessages,
} from "../../../analysis/index.js";
import { messageOf } from "../../../errors/index.js";
import type { Plan } from "../../../graph/index.js";
import { eventToJson, type RunReport } from "../../../run/index.js";
import type { PlanningContext } from "../../facts.js";
import { say } from "../../terminal/output.js";
import { VERSION } from "../../version.js";

/** The record of this run, and the durations of units in the previous record. */
export class RunRecording {
  readonly #command: string;
  readonly #rank: number;
  readonly #store: RecordStore;
  /** The durations of units in the last run of the same command, by name; undefined before the first run. */
  readonly durationsMs: ReadonlyMap<string, number> | undefined;

  private constructor(command: string, rank: number, store: RecordStore) {
    this.#command = command;
    this.#rank = rank;
    this.#store = store;
    this.durationsMs = this.#lastDurations();
  }

  /** @returns undefined without a place for records: neither an instance nor a `statedir` */
  static open(
    command: string,
    { facts, handle }: Pick<PlanningContext, "facts" | "handle">,
  ): RunRecording | undefined {
    const directory = recordDirectory(facts.attrs);
    if (directory === undefined) return undefined;
    const rank = handle?.rank ?? facts.rank;
    return new RunRecording(command, rank, new RecordStore(directory, rank));
  }

  /**
   * Records a run. Reports a failure to do so, which has no other effect.
   * @returns whether the record was kept
   */
  save(plan: Plan, { events }: RunReport, messages: RunMessages | undefined): boolean {
    try {
      this.#store.save({
        command: this.#command,
        rank: this.#rank,
        version: VERSION,
        plan: recordPlan(plan, this.durationsMs),
        events: events.map(eventToJson),
        messages,
      });
      return true;
    } catch (error) {
      say(`sluice-modprobe: ${messageOf(error)}`);
      return false;
    }
  }

  /** This ignores an unreadable record, because it only decides which unit goes first. */
  #lastDurations(): ReadonlyMap<string, number> | undefined {
    try {
      const last = this.#store.list().find(({ command }) => command === this.#command);
      const record = last === undefined ? undefined : readRecord(last.file);
      return record?.ok === true ? recordedDurations(record.value) : undefined;
    } catch (error) {
      say(`sluice-modprobe: ${messageOf(error)}`);
      return undefined;
    }
  }
}

/** Where an instance keeps its recorded runs: below `statedir`, or without it below `rundir`. */
export function recordDirectory(attrs: Readonly<Record<string, string>>): string | undefined {
  // An empty value counts as unset.
  return attrs["statedir"] || attrs["rundir"] || undefined;
}
