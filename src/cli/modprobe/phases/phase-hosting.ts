import { messageOf } from "../../../errors/index.js";
import { hasStartedProcesses } from "../../../processes/index.js";
import type { Runlevel } from "../../../units/index.js";
import { PhaseChannel, type PhaseLink } from "../../instance/phase-link.js";
import { ExitError, shareDiagnostics } from "../../terminal/output.js";
import type { WaitingPeriods } from "./waiting-notes.js";

/** A run that a broker has requested, over the channel to it. */
export interface HostedRun {
  readonly link: PhaseLink;
  readonly periods: WaitingPeriods;
  /** The time after the beginning of a removal when the module is cancelled. */
  readonly cancelAfterMs: number | undefined;
}

/**
 * Runs phases in the order of the broker that has started this process, and reports to it why one fails. After a
 * phase that succeeded and left no process behind, it waits for the next one. So the end of a short instance starts
 * at once.
 */
export async function hostPhases(run: (phase: Runlevel, host: HostedRun) => Promise<void>): Promise<void> {
  const channel = new PhaseChannel();
  // Loads the code of the run while the broker starts.
  await Promise.all([import("../../../messages/index.js"), import("../../../instance/instance-facts.js")]);
  try {
    while ((await hostPhase(channel, run)) === "rc1" && !hasStartedProcesses()) channel.rest();
  } finally {
    await channel.close();
  }
}

async function hostPhase(
  channel: PhaseChannel,
  run: (phase: Runlevel, host: HostedRun) => Promise<void>,
): Promise<Runlevel> {
  const { link, start } = await channel.begin();
  const { phase, cancelAfterMs, waitingAfterMs, waitingEveryMs, said } = start;
  shareDiagnostics(said, (text) => link.tell({ type: "said", text }));
  try {
    await run(phase, { link, cancelAfterMs, periods: { afterMs: waitingAfterMs, everyMs: waitingEveryMs } });
    return phase;
  } catch (error) {
    const message = error instanceof ExitError ? (error.summary ?? error.message) : messageOf(error);
    if (message !== "") link.tell({ type: "failed", message });
    throw error;
  }
}
