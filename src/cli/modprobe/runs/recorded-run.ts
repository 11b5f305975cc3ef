import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { type Command, Option } from "commander";
import { readRecord, RecordStore, type RunRecord, type StoredRun } from "../../../analysis/index.js";
import { wholeNumber } from "../../arguments.js";
import { valueOf } from "../units.js";
import { ExitError } from "../../terminal/output.js";
import { recordDirectory } from "./run-recording.js";
import { withFlux, withOn } from "../../facts.js";
import { fields } from "../../../messages/index.js";
import { namedOrOnlyInstance, withConnection, withUri } from "../../session.js";

/** The choice of a recorded run. */
export interface RecordedRunOptions {
  readonly uri?: string;
  readonly on?: string;
  readonly statedir?: string;
  readonly rank?: number;
  /** A number from 1, the last one, or a file. */
  readonly run?: string;
}

/** Adds the options that choose a recorded run. */
export function withRecordedRun(command: Command): Command {
  const located = withOn(withUri(command));
  return withRunChoice(
    located.addOption(new Option("--rank <n>", "read the runs of this rank").argParser(wholeNumber)),
  );
}

/** Adds `--statedir` and `--run`. */
export function withRunChoice(command: Command): Command {
  return command
    .option("--statedir <dir>", "read the recorded runs of the instance with this statedir")
    .option("--run <n|file>", "1 is the last run, 2 the run before it; or the file of a run (default: 1)");
}

const HINT =
  "rc1, rc3, run and load record each run inside an instance; the runs of an ended instance are in its statedir " +
  "(--statedir DIR)";

/**
 * Finds the recorded run that the options choose.
 * @throws ExitError if there is no record; SluiceError `RUN_RECORD` if it cannot be read
 */
export async function findRecord(options: RecordedRunOptions): Promise<RunRecord> {
  const { run = "1" } = options;
  if (!/^\d+$/.test(run)) return valueOf(readRecord(run));
  const { store, runs } = await storedRuns(options);
  const found = runs.find(({ number }) => number === Number(run));
  if (found !== undefined) return valueOf(readRecord(found.file));
  if (runs.length === 0) throw new ExitError(1, `no recorded run in ${store.directory}\n  hint: ${HINT}`);
  throw new ExitError(1, `no recorded run ${run}: the number of runs is ${runs.length} (1 is the last run)`);
}

/** All recorded runs, the last one first. */
export async function storedRuns(
  options: RecordedRunOptions,
): Promise<{ readonly store: RecordStore; readonly runs: readonly StoredRun[] }> {
  const store = await openStore(options);
  return { store, runs: store.list() };
}

async function openStore({ uri, statedir, rank, on }: RecordedRunOptions): Promise<RecordStore> {
  if (statedir !== undefined) return storeBelow(statedir, rank ?? 0);
  if (on === "flux") {
    return withFlux(async ({ handle }) => {
      const { attrs } = fields(await handle.rpc("attr.list"), { attrs: "object" });
      return storeIn(
        { statedir: textIn(attrs["statedir"]), rundir: textIn(attrs["rundir"]) },
        rank ?? handle.rank,
      );
    });
  }
  const instance = await namedOrOnlyInstance({ ...(uri !== undefined && { uri }) });
  if (instance === undefined) {
    throw new ExitError(1, `no recorded run: no instance runs, and --statedir is not set\n  hint: ${HINT}`);
  }
  return withConnection(instance, async (handle) => {
    const [state = "", run = ""] = await Promise.all([handle.attr("statedir"), handle.attr("rundir")]);
    // The directory of the answering rank lies in the directory of the instance, except for rank 0.
    const shared = state === "" || handle.rank === 0 ? state : dirname(state);
    return storeIn({ statedir: shared, rundir: run }, rank ?? handle.rank);
  });
}

function storeIn(attrs: Readonly<Record<string, string>>, rank: number): Promise<RecordStore> {
  const directory = recordDirectory(attrs);
  if (directory === undefined) throw new ExitError(1, "the instance has neither statedir nor rundir");
  return storeBelow(directory, rank);
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * Ranks other than 0 have a directory of their own in the statedir. They have none in the rundir, or without an
 * instance.
 */
async function storeBelow(directory: string, rank: number): Promise<RecordStore> {
  const { stateDirectoryOf } = await import("../../../broker/index.js");
  const own = new RecordStore(stateDirectoryOf(directory, rank), rank);
  return existsSync(own.directory) ? own : new RecordStore(directory, rank);
}
