import { startTimer, type Timer } from "../../processes/index.js";
import type { RunEvent, RunEventJson } from "../../run/index.js";
import { colouredFrame, coloursFor } from "./colours.js";
import { RunProgress, type TerminalSize } from "./run-progress.js";

/** Shorter runs show no frame, because it would only flicker. */
const FIRST_FRAME_MS = 100;
const FRAME_MS = 100;

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const ERASE_BELOW = "\u001b[0J";

/** A stream that may lead to a terminal. */
type Terminal = Pick<NodeJS.WriteStream, "isTTY" | "write" | "getWindowSize">;

/** Whether a stream can show a live view. */
export function canShowLive(stream: Terminal): boolean {
  return stream.isTTY && process.env["TERM"] !== "dumb";
}

/** The code that draws it, loaded only for a terminal. */
interface Drawing {
  readonly update: { (text: string): void; clear(): void; done(): void };
  readonly widthOf: (text: string) => number;
}

/** Makes a region at the lower end of a terminal's text, in which runs are shown while they last. */
export async function openLiveRegion(stream: NodeJS.WriteStream): Promise<LiveRegion> {
  const [{ createLogUpdate }, { default: widthOf }] = await Promise.all([
    import("log-update"),
    import("string-width"),
  ]);
  // This reads the size each time, because a process outside of the terminal's session gets no signal of a change.
  const view = new Proxy(stream, {
    get: (target, key) => {
      if (key === "columns") return sizeOf(target).columns;
      if (key === "rows") return sizeOf(target).rows;
      if (key === "write") return target.write.bind(target);
      return Reflect.get(target, key, target) as unknown;
    },
  });
  return new LiveRegion(stream, { update: createLogUpdate(view, { showCursor: true }), widthOf });
}

function sizeOf(stream: Terminal): TerminalSize {
  const [columns, rows] = stream.getWindowSize();
  // A terminal of unknown size reports 0.
  return { columns: columns || 80, rows: rows || 24 };
}

/**
 * The live view of one run after the other on a terminal (docs/design/planning.md §7). All other output to that
 * terminal has to go through {@link above} during that time.
 */
export class LiveRegion {
  readonly #stream: Terminal;
  readonly #drawing: Drawing;
  readonly #showCursor = (): void => void this.#stream.write(SHOW_CURSOR);
  #progress: RunProgress | undefined;
  #startedAtMs = 0;
  #timer: Timer | undefined;
  /** The lines on the terminal, and its width when they were drawn. */
  #drawn: { readonly lines: readonly string[]; readonly columns: number } | undefined;
  #isCursorHidden = false;

  constructor(stream: Terminal, drawing: Drawing) {
    this.#stream = stream;
    this.#drawing = drawing;
  }

  /** Takes the events of a run. Its last event removes the view. */
  show(event: RunEvent | RunEventJson): void {
    if (event.type === "plan") {
      this.#progress = new RunProgress();
      this.#startedAtMs = performance.now() - event.atMs;
      this.#drawAfter(FIRST_FRAME_MS);
    }
    this.#progress?.add(event);
    if (event.type === "summary") this.end();
  }

  /** Writes lines over the view. */
  above(text: string, stream: Terminal = this.#stream): void {
    if (stream.isTTY) this.#erase();
    stream.write(text);
  }

  /** Whether a run is being shown. */
  get isOpen(): boolean {
    return this.#timer !== undefined;
  }

  /** The run that was shown last. */
  get progress(): RunProgress | undefined {
    return this.#progress;
  }

  /** Removes the view and shows the cursor again. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#erase();
    if (!this.#isCursorHidden) return;
    this.#isCursorHidden = false;
    process.off("exit", this.#showCursor);
    this.#showCursor();
  }

  #drawAfter(delayMs: number): void {
    this.#timer?.cancel();
    const drawNext = (): void => {
      this.#draw();
      this.#drawAfter(FRAME_MS);
    };
    // A view must not keep the process alive.
    this.#timer = startTimer(delayMs, drawNext, { keepsAlive: false });
  }

  #draw(): void {
    const progress = this.#progress;
    if (progress === undefined || progress.isEmpty) return;
    const size = sizeOf(this.#stream);
    if (this.#drawn !== undefined && this.#drawn.columns !== size.columns) this.#erase();
    if (!this.#isCursorHidden) {
      this.#isCursorHidden = true;
      process.once("exit", this.#showCursor);
      this.#stream.write(HIDE_CURSOR);
    }
    const lines = progress.frame(performance.now() - this.#startedAtMs, size, this.#drawing.widthOf);
    this.#drawing.update(colouredFrame(lines, coloursFor(this.#stream)).join("\n"));
    this.#drawn = { lines, columns: size.columns };
  }

  #erase(): void {
    if (this.#drawn === undefined) return;
    const { lines, columns } = this.#drawn;
    this.#drawn = undefined;
    const now = sizeOf(this.#stream).columns;
    if (now >= columns) {
      this.#drawing.update.clear();
      return;
    }
    // A terminal that became narrower has wrapped the lines.
    const { widthOf } = this.#drawing;
    const rows = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / now)), 0);
    this.#stream.write(`\u001b[${rows}A\r${ERASE_BELOW}`);
    this.#drawing.update.done();
  }
}
