import { messageOf } from "../../../errors/index.js";
import { PhaseLink } from "../../instance/phase-link.js";
import { ExitError, shareDiagnostics } from "../../terminal/output.js";
import type { WaitingPeriods } from "./waiting-notes.js";

/** A run that a broker has asked for, over the channel to it. */
export interface HostedRun {
  readonly link: PhaseLink;
  readonly periods: WaitingPeriods;
  /** A module that is not gone this long after its removal began is cancelled. */
  readonly cancelAfterMs: number | undefined;
}

/** Runs a phase when the broker that has started this process says so, and tells it why if it fails. */
export async function hostPhase(run: (host: HostedRun) => Promise<void>): Promise<void> {
  const link = new PhaseLink();
  // What the run needs is loaded while the broker starts.
  await Promise.all([import("../../../messages/index.js"), import("../../../instance/instance-facts.js")]);
  const { cancelAfterMs, waitingAfterMs, waitingEveryMs, said } = await link.begin();
  shareDiagnostics(said, (text) => link.tell({ type: "said", text }));
  try {
    await run({ link, cancelAfterMs, periods: { afterMs: waitingAfterMs, everyMs: waitingEveryMs } });
  } catch (error) {
    const message = error instanceof ExitError ? (error.summary ?? error.message) : messageOf(error);
    if (message !== "") link.tell({ type: "failed", message });
    throw error;
  } finally {
    await link.close();
  }
}
