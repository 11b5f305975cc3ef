import { writeSync } from "node:fs";
import { escapeAllButColours, escapeControls, indentLines } from "../../errors/index.js";
import { labelled, type OutputLine } from "../../rc/index.js";
import { eventToJson, type NotStartedEvent, type RunEvent, type SkipEvent } from "../../run/index.js";
import { formatOutput } from "../instance/phase-link.js";
import { canShowLive, type LiveRegion, openLiveRegion } from "../terminal/live-region.js";
import { printJson, say } from "../terminal/output.js";
import { RunProgress } from "../terminal/run-progress.js";

/** How to report a run. */
export interface ViewOptions {
  readonly verbose?: boolean;
  /** Only failures, without a live view. */
  readonly quiet?: boolean;
  /** Events as JSON lines on standard output. */
  readonly json?: boolean;
  /** The broker reads standard output into its log: the output of tasks goes to standard output, with their names. */
  readonly log?: { readonly isOnStderr: boolean } | undefined;
  /** A file descriptor of the process that shows the run: lines of `{command, event}`. */
  readonly eventsFd?: number;
}

/** Shows the progress of a run. */
export interface RunView {
  /** Whether it prints no lines about progress, or shows progress in another way. */
  readonly isQuiet?: boolean;
  show(event: RunEvent): void;
  /** A line that a task or a command printed. */
  output(line: OutputLine): void;
  /** Prints a message for people. */
  say(text: string): void;
  /** Restores the terminal. */
  close(): void;
}

/** The view for the options and the terminal. */
export async function openRunView(command: string, options: ViewOptions): Promise<RunView> {
  const { verbose = false, quiet = false, json = false, eventsFd } = options;
  if (json) return new JsonView(verbose);
  const output = options.log === undefined ? printOutput : outputToLog(options.log);
  if (eventsFd !== undefined) return new ReportingView({ command, verbose, fd: eventsFd, output });
  if (quiet || !canShowLive(process.stderr)) return new PlainView({ verbose, isQuiet: quiet, output });
  return new LiveView(await openLiveRegion(process.stderr), verbose);
}

/** Whole lines, each to the stream that the task wrote it to. */
export function printOutput({ stream, text }: OutputLine): void {
  const output = process[stream];
  output.write(`${output.isTTY ? escapeAllButColours(text) : text}\n`);
}

/**
 * Each line goes to the log, from either stream. Lines of standard error also go to standard error, unless the log
 * already appears there.
 */
function outputToLog({ isOnStderr }: { readonly isOnStderr: boolean }): (line: OutputLine) => void {
  return (line) => {
    process.stdout.write(formatOutput(line));
    if (line.stream === "stderr" && !isOnStderr) printOutput({ ...line, text: labelled(line) });
  };
}

/** How many names of units one line has before it counts the others. */
const NAMES_SHOWN = 12;

/** The end of the line about the failure of an optional unit. */
const OPTIONAL = " (optional, left out)";

const DONE: Readonly<Record<"load" | "remove" | "run", string>> = {
  load: "loaded",
  remove: "removed",
  run: "ran",
};

interface PlainViewOptions {
  readonly verbose: boolean;
  readonly isQuiet?: boolean;
  readonly say?: (text: string) => void;
  /** Whether to end with a line of counts when verbose. */
  readonly counts?: boolean;
  readonly output?: (line: OutputLine) => void;
}

/**
 * Shows the progress of a run to people on standard error: failures always, each start and end when verbose. It
 * groups units that never started by their cause, with one line for each cause.
 */
class PlainView implements RunView {
  readonly isQuiet: boolean;
  readonly say: (text: string) => void;
  readonly #verbose: boolean;
  readonly #counts: boolean;
  readonly #waiting = new Map<string, string[]>();
  readonly output: (line: OutputLine) => void;

  constructor(options: PlainViewOptions) {
    this.output = options.output ?? printOutput;
    this.isQuiet = options.isQuiet ?? false;
    this.#verbose = options.verbose;
    this.#counts = options.verbose && (options.counts ?? true);
    this.say = options.say ?? say;
  }

  show(event: RunEvent): void {
    switch (event.type) {
      case "start":
        if (this.#verbose) this.say(`${event.action} ${event.unit}`);
        return;
      case "end":
        if (this.#verbose)
          this.say(`${DONE[event.action]} ${event.unit} in ${event.durationMs.toFixed(0)} ms`);
        return;
      case "fail":
      case "timeout":
        this.say(
          `sluice-modprobe: ${namedMessage(event.unit, event.message)}${event.optional ? OPTIONAL : ""}`,
        );
        return;
      case "cancel":
        this.say(`sluice-modprobe: ${indentLines(namedMessage(event.unit, event.message))}`);
        return;
      case "skip":
      case "not-started":
        this.#gather(event);
        return;
      case "interrupt":
        this.say(
          event.stage === "stop"
            ? "interrupted: starting no more units"
            : "interrupted: cancelling the running units",
        );
        return;
      case "summary":
        for (const [message, units] of this.#waiting) {
          this.say(`sluice-modprobe: ${someOf(units)}: ${message}`);
        }
        if (this.#counts)
          this.say(`${event.done} done, ${event.failed} failed in ${(event.atMs / 1000).toFixed(2)} s`);
        return;
      case "plan":
        return;
    }
  }

  close(): void {
    // The view leaves no text on the terminal.
  }

  #gather(event: SkipEvent | NotStartedEvent): void {
    const units = this.#waiting.get(event.message);
    if (units === undefined) this.#waiting.set(event.message, [event.unit]);
    else units.push(event.unit);
  }
}

/**
 * For programs: each event, and each line of output, is a JSON object on standard output. Failures still
 * appear on standard error.
 */
class JsonView implements RunView {
  readonly #plain: PlainView;

  constructor(verbose: boolean) {
    this.#plain = new PlainView({ verbose });
  }

  show(event: RunEvent): void {
    printJson(eventToJson(event));
    this.#plain.show(event);
  }

  output({ unit, stream, text }: OutputLine): void {
    printJson({ type: "output", unit: unit ?? null, stream, text });
  }

  say(text: string): void {
    say(text);
  }

  close(): void {
    this.#plain.close();
  }
}

interface ReportingOptions {
  readonly command: string;
  readonly verbose: boolean;
  readonly fd: number;
  readonly output: (line: OutputLine) => void;
}

/** Reports the events to `start`, which has the terminal and so shows the run. */
class ReportingView implements RunView {
  readonly isQuiet = true;
  readonly #command: string;
  readonly #plain: PlainView;
  readonly #progress = new RunProgress();
  #fd: number | undefined;

  readonly output: (line: OutputLine) => void;

  constructor({ command, verbose, fd, output }: ReportingOptions) {
    this.output = output;
    this.#command = command;
    this.#plain = new PlainView({ verbose, counts: false });
    this.#fd = fd;
  }

  show(event: RunEvent): void {
    this.#plain.show(event);
    this.#progress.add(event);
    // The end of the shutdown needs no line.
    const isNews = event.type === "summary" && (this.#command !== "rc3" || event.outcome !== "ok");
    const summary = isNews ? this.#progress.summary() : undefined;
    if (summary !== undefined) this.say(summary);
    this.#report(`${JSON.stringify({ command: this.#command, event: eventToJson(event) })}\n`);
  }

  say(text: string): void {
    say(text);
  }

  close(): void {
    this.#plain.close();
  }

  #report(line: string): void {
    if (this.#fd === undefined) return;
    const bytes = Buffer.from(line);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      this.#fd = undefined;
      // The process that showed the run has gone. The run must not stop for that.
      say(
        `sluice-modprobe: the live view has ended: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}

/** Shows people at a terminal the running steps, below the lines that stay. */
class LiveView implements RunView {
  readonly isQuiet = true;
  readonly #region: LiveRegion;
  readonly #plain: PlainView;

  constructor(region: LiveRegion, verbose: boolean) {
    this.#region = region;
    this.#plain = new PlainView({ verbose, say: (text) => this.say(text), counts: false });
  }

  show(event: RunEvent): void {
    this.#region.show(event);
    this.#plain.show(event);
    const summary = event.type === "summary" ? this.#region.progress?.summary() : undefined;
    if (summary !== undefined) this.say(summary);
  }

  output({ stream, text }: OutputLine): void {
    this.#region.above(
      `${escapeAllButColours(text)}\n`,
      stream === "stdout" ? process.stdout : process.stderr,
    );
  }

  say(text: string): void {
    this.#region.above(`${escapeControls(text)}\n`);
  }

  close(): void {
    this.#region.end();
  }
}

function someOf(units: readonly string[]): string {
  const shown = units.slice(0, NAMES_SHOWN).join(", ");
  return units.length > NAMES_SHOWN ? `${shown} and ${units.length - NAMES_SHOWN} more` : shown;
}

/** The message of a module that failed during its load already has its name. */
function namedMessage(unit: string, message: string): string {
  return message.startsWith(`${unit}: `) ? message : `${unit}: ${message}`;
}
