import type { RunEvent, RunEventJson, StepAction } from "../../run/index.js";

/** The room on a terminal. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Width of the action before a name. */
const HEAD_WIDTH = 9;

interface Running {
  readonly action: StepAction;
  readonly startedAtMs: number;
}

/** The progress of a run, from its events, and the text to show for it. */
export class RunProgress {
  readonly #running = new Map<string, Running>();
  #stepCount = 0;
  #done = 0;
  #failed = 0;
  #summary: Extract<RunEvent, { readonly type: "summary" }> | undefined;

  /** Whether there is no step to run. */
  get isEmpty(): boolean {
    return this.#stepCount === 0;
  }

  add(event: RunEvent | RunEventJson): void {
    switch (event.type) {
      case "plan":
        this.#stepCount = event.stepCount;
        return;
      case "start":
        this.#running.set(event.unit, { action: event.action, startedAtMs: event.atMs });
        return;
      case "end":
        this.#done++;
        this.#running.delete(event.unit);
        return;
      case "fail":
      case "timeout":
        if (event.optional !== true) this.#failed++;
        this.#running.delete(event.unit);
        return;
      case "cancel":
        this.#running.delete(event.unit);
        return;
      case "summary":
        this.#summary = event;
        return;
      case "skip":
      case "not-started":
      case "interrupt":
        return;
    }
  }

  /**
   * One line for each running unit, the longest running first, then the counts; never more lines than the terminal
   * has rows.
   * @param nowMs since the start of the run
   * @param widthOf the number of columns that a text takes
   */
  frame(nowMs: number, { columns, rows }: TerminalSize, widthOf: (text: string) => number): string[] {
    // The row below the last line is where the cursor stands.
    const room = Math.max(0, rows - 2);
    const running = [...this.#running];
    const shown = running.length <= room ? running : running.slice(0, Math.max(0, room - 1));
    const times = shown.map(([, { startedAtMs }]) => secondsText(Math.max(0, nowMs - startedAtMs)));
    const most = columns - HEAD_WIDTH - longest(times) - 3;
    const names = shown.map(([unit]) => cut(unit, most, widthOf));
    const width = longest(names);
    const lines = shown.map(([, { action }], index) => {
      const [name = "", time = ""] = [names[index], times[index]];
      return `  ${action.padEnd(6)} ${name.padEnd(width)}  ${time}`;
    });
    const hidden = running.length - shown.length;
    if (hidden > 0 && room > 0) lines.push(`  … and ${hidden} more`);
    return [...lines, this.#counts(nowMs)].map((line) => cut(line, columns - 1, widthOf));
  }

  #counts(nowMs: number): string {
    const failed = this.#failed === 0 ? "" : `, ${this.#failed} failed`;
    return `${this.#done + this.#failed}/${units(this.#stepCount)}, ${this.#running.size} running${failed}, ${secondsText(nowMs)}`;
  }

  /** `25 units in 1.2 s, 1 failed`; undefined before the end, and for a run without steps. */
  summary(): string | undefined {
    if (this.#summary === undefined || this.isEmpty) return undefined;
    const { atMs, outcome, failed, cancelled, skipped, notStarted } = this.#summary;
    const parts = [
      [failed, "failed"],
      [cancelled, "cancelled"],
      [skipped, "skipped"],
      [notStarted, "not started"],
    ] as const;
    return [
      `${units(this.#stepCount)} in ${secondsText(atMs)}`,
      ...parts.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`])),
      ...(outcome === "interrupted" ? ["interrupted"] : []),
    ].join(", ");
  }
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 0);
}

function units(count: number): string {
  return count === 1 ? "1 unit" : `${count} units`;
}

function secondsText(timeMs: number): string {
  return `${(timeMs / 1000).toFixed(1)} s`;
}

/** As much of a text as fits, with a mark where it was cut. */
function cut(text: string, columns: number, widthOf: (text: string) => number): string {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let width = 1;
  for (const letter of text) {
    width += widthOf(letter);
    if (width > columns) break;
    kept += letter;
  }
  return columns < 1 ? "" : `${kept}…`;
}
