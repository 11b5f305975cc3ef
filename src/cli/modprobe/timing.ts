import { writeFileSync } from "node:fs";
import { isErrno, systemMessage } from "../../errors/index.js";
import type { RunReport } from "../../run/index.js";
import type { PlanningContext } from "../facts.js";
import { ExitError } from "../terminal/output.js";

/**
 * Stores `[{name, starttime, duration}]` in seconds since 1970 and seconds (docs/design/cli.md §2), at `modprobe.stats`
 * in the KVS when there is one, and in a file.
 * @param file true: in the KVS alone
 * @throws ExitError if the file cannot be written; SluiceError if the KVS refuses
 */
export async function storeTiming(
  { timings, epochMs }: RunReport,
  { handle }: Pick<PlanningContext, "handle">,
  file: string | true,
): Promise<void> {
  const value = timings.map(({ unit, startedAtMs, durationMs }) => ({
    name: unit,
    starttime: (epochMs + startedAtMs) / 1000,
    duration: durationMs / 1000,
  }));
  if (file !== true) write(file, `${JSON.stringify(value)}\n`);
  try {
    await handle?.rpc("kvs.commit", { ops: [{ key: "modprobe.stats", value }] });
  } catch (error) {
    // No module serves it: the KVS is not loaded, or has already ended.
    if (!isErrno(error, "ENOSYS")) throw error;
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new ExitError(1, `cannot write the timing: ${file}: ${systemMessage(error)}`);
  }
}
