import type { NotStartedEvent, RunEvent, SkipEvent } from "../run/index.js";
import { say } from "./output.js";

/** How many names of units one line holds before it says how many more there are. */
const NAMES_SHOWN = 12;

const DONE: Readonly<Record<"load" | "remove" | "run", string>> = {
  load: "loaded",
  remove: "removed",
  run: "ran",
};

/**
 * Tells people on standard error how a run goes: failures always, each start and end when verbose. Units that were never
 * started are gathered by their cause, one line each, however many they are.
 */
export class PlainView {
  readonly #verbose: boolean;
  readonly #waiting = new Map<string, string[]>();

  constructor(verbose: boolean) {
    this.#verbose = verbose;
  }

  show(event: RunEvent): void {
    switch (event.type) {
      case "start":
        if (this.#verbose) say(`${event.action} ${event.unit}`);
        return;
      case "end":
        if (this.#verbose) say(`${DONE[event.action]} ${event.unit} in ${event.durationMs.toFixed(0)} ms`);
        return;
      case "fail":
      case "timeout":
      case "cancel":
        say(`sluice-modprobe: ${event.unit}: ${event.message}`);
        return;
      case "skip":
      case "not-started":
        this.#gather(event);
        return;
      case "interrupt":
        say(
          event.stage === "stop" ? "interrupted: starting nothing more" : "interrupted: cancelling what runs",
        );
        return;
      case "summary":
        for (const [message, units] of this.#waiting) say(`sluice-modprobe: ${someOf(units)}: ${message}`);
        if (this.#verbose)
          say(`${event.done} done, ${event.failed} failed in ${(event.atMs / 1000).toFixed(2)} s`);
        return;
      case "plan":
        return;
    }
  }

  #gather(event: SkipEvent | NotStartedEvent): void {
    const units = this.#waiting.get(event.message);
    if (units === undefined) this.#waiting.set(event.message, [event.unit]);
    else units.push(event.unit);
  }
}

function someOf(units: readonly string[]): string {
  const shown = units.slice(0, NAMES_SHOWN).join(", ");
  return units.length > NAMES_SHOWN ? `${shown} and ${units.length - NAMES_SHOWN} more` : shown;
}
