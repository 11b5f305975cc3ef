import type { ApplyTurn } from "../../../instance/apply/index.js";
import { messageOf } from "../../../errors/index.js";
import { say } from "../../terminal/output.js";
import { PREFIX } from "../units.js";

/**
 * Ctrl-C. A SIGTERM ends the client alone. A module that the apply removes may have sent it, and must not undo
 * the apply.
 */
const SIGNAL = "SIGINT";

/** Undoes an apply at the first Ctrl-C. At the second it stops, and leaves the remaining changes. */
export class Interrupts {
  readonly #sessions: readonly ApplyTurn[];
  #count = 0;
  readonly #onSignal = (): void => void this.#interrupt();

  constructor(sessions: readonly ApplyTurn[]) {
    this.#sessions = sessions;
    process.on(SIGNAL, this.#onSignal);
  }

  close(): void {
    process.off(SIGNAL, this.#onSignal);
  }

  async #interrupt(): Promise<void> {
    this.#count++;
    if (this.#count > 2) return;
    say(
      this.#count === 1
        ? `${PREFIX}: interrupted: undoing the finished steps; a second signal stops the apply without undoing the rest`
        : `${PREFIX}: interrupted again: the apply stops without undoing the rest`,
    );
    const asked = await Promise.allSettled(this.#sessions.map((session) => session.interrupt()));
    for (const result of asked) {
      if (result.status === "rejected") say(`${PREFIX}: ${messageOf(result.reason)}`);
    }
  }
}
