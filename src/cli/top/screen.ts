import { stripVTControlCharacters } from "node:util";
import { createLogUpdate } from "log-update";
import { isErrno, onOneLine } from "../../errors/index.js";
import { coloursFor } from "../terminal/colours.js";
import { type RankFeed, RankFeeds } from "./rank-feeds.js";
import {
  ranksLines,
  type Sort,
  SORT_NAMES,
  SORTS,
  sampleLines,
  type TableLines,
  type TableStyle,
} from "./table.js";

export interface ScreenOptions {
  /** Samples of each rank until it ends by itself. */
  readonly iterations: number;
  readonly periodMs: number;
  readonly sort: Sort;
}

/** With this screen the terminal shows its earlier text again at the end, as after less(1) and top(1). */
const ALTERNATE_SCREEN = { enter: "\u001b[?1049h\u001b[H", leave: "\u001b[?1049l" } as const;
const CLEAR = "\u001b[2J\u001b[H";

const KEY = { interrupt: "\u0003", suspend: "\u001a" } as const;

/** The size for terminals that report 0. */
const DEFAULT_SIZE = { columns: 80, rows: 24 } as const;

/**
 * Shows samples on the terminal until the user presses q or no iterations are left.
 * @returns the exit status: 0, or 128 plus the number of the signal that ended it; Ctrl-C counts as SIGINT. A hangup
 *   ends the process
 */
export function runScreen(feeds: readonly RankFeed[], options: ScreenOptions): Promise<number> {
  return new Screen(feeds, options).run();
}

class Screen {
  readonly #feeds: RankFeeds;
  readonly #colours = coloursFor(process.stdout);
  readonly #update = createLogUpdate(process.stdout);
  readonly #ended = new AbortController();
  readonly #onKeys = (chunk: Buffer): void => this.#keys(chunk.toString("latin1"));
  readonly #onResize = (): void => this.#redraw();
  readonly #onExit = (): void => this.#leave();
  readonly #onSignal: Readonly<Partial<Record<NodeJS.Signals, () => void>>> = {
    SIGINT: () => this.#end(130),
    SIGTERM: () => this.#end(143),
    SIGHUP: () => this.#hangUp(),
    SIGCONT: () => this.#continue(),
  };
  #style: TableStyle;
  #status = 0;
  #isShown = false;
  /** The size for which the last frame was made. */
  #drawn: { readonly columns: number; readonly rows: number } = { columns: 0, rows: 0 };

  constructor(feeds: readonly RankFeed[], options: ScreenOptions) {
    this.#feeds = new RankFeeds(feeds, { ...options, onChange: this.#onResize });
    this.#style = { sort: options.sort, isReversed: false };
  }

  async run(): Promise<number> {
    this.#listen();
    this.#enter();
    try {
      await this.#feeds.follow(this.#ended.signal);
    } catch (error) {
      if (!this.#ended.signal.aborted || !isCancellation(error)) throw error;
    } finally {
      this.#leave();
      this.#unlisten();
    }
    return this.#status;
  }

  #end(status: number): void {
    this.#status = status;
    this.#ended.abort();
  }

  /**
   * The terminal has usually closed by now. Node cannot exit cleanly without the terminal that it has
   * changed.
   */
  #hangUp(): void {
    try {
      this.#leave();
    } finally {
      this.#unlisten();
      process.kill(process.pid, "SIGHUP");
    }
  }

  #listen(): void {
    // This restores the terminal, whatever ends the process.
    process.once("exit", this.#onExit);
    process.stdout.on("resize", this.#onResize);
    process.stdin.on("data", this.#onKeys);
    for (const [signal, listener] of Object.entries(this.#onSignal)) process.on(signal, listener);
  }

  #unlisten(): void {
    process.off("exit", this.#onExit);
    process.stdout.off("resize", this.#onResize);
    process.stdin.off("data", this.#onKeys).pause();
    for (const [signal, listener] of Object.entries(this.#onSignal)) process.off(signal, listener);
  }

  #enter(): void {
    this.#isShown = true;
    process.stdout.write(ALTERNATE_SCREEN.enter);
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdin.resume();
    this.#redraw();
  }

  #leave(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#update.clear();
    this.#update.done();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdout.write(ALTERNATE_SCREEN.leave);
  }

  /** Handles Ctrl-Z, which a terminal in raw mode does not handle itself. */
  #suspend(): void {
    this.#leave();
    process.kill(process.pid, "SIGTSTP");
  }

  #continue(): void {
    if (!this.#isShown && !this.#ended.signal.aborted) this.#enter();
  }

  #keys(text: string): void {
    // An arrow or function key is several characters. None of them counts as a key press.
    for (const key of stripVTControlCharacters(text)) this.#press(key);
  }

  #press(key: string): void {
    switch (key) {
      case "q":
        this.#end(0);
        return;
      case KEY.interrupt:
        this.#end(130);
        return;
      case KEY.suspend:
        this.#suspend();
        return;
      case "R":
        this.#style = { ...this.#style, isReversed: !this.#style.isReversed };
        this.#redraw();
        return;
      default: {
        const sort = SORT_NAMES.find((name) => SORTS[name].key === key);
        if (sort === undefined) return;
        this.#style = { sort, isReversed: false };
        this.#redraw();
      }
    }
  }

  #redraw(): void {
    if (!this.#isShown) return;
    const columns = process.stdout.columns || DEFAULT_SIZE.columns;
    const rows = process.stdout.rows || DEFAULT_SIZE.rows;
    if (columns !== this.#drawn.columns || rows !== this.#drawn.rows) {
      // The terminal may have moved the lines.
      this.#update.clear();
      process.stdout.write(CLEAR);
      this.#drawn = { columns, rows };
    }
    this.#update(this.#frame(columns, rows).join("\n"));
  }

  /** This cuts the plain ASCII text to the width before it adds colours. */
  #frame(columns: number, rows: number): string[] {
    const lines = this.#lines(columns);
    if (lines === undefined) return ["waiting for the broker"];
    const { head, rows: all } = lines;
    // One line is for the cursor, two are for the keys.
    const room = Math.max(0, rows - head.length - 3);
    const shown = all.length <= room ? all : all.slice(0, Math.max(0, room - 1));
    const more = all.length > shown.length ? [`${all.length - shown.length} more`] : [];
    const cut = (line: string): string => onOneLine(line).slice(0, columns);
    const { bold, red } = this.#colours;
    return [
      ...head.map((line, at) => (at === head.length - 1 ? bold(cut(line)) : cut(line))),
      ...shown.map(({ text, isIll }) => (isIll ? red(cut(text)) : cut(text))),
      ...[...more, "", this.#help()].map(cut),
    ].slice(0, Math.max(1, rows - 1));
  }

  /** Undefined before the first sample. */
  #lines(columns: number): TableLines | undefined {
    const { told } = this.#feeds;
    if (told.every(({ sample }) => sample === undefined)) return undefined;
    const style = { ...this.#style, columns };
    const [first] = told;
    return told.length === 1 && first?.sample !== undefined
      ? sampleLines(first.sample, style)
      : ranksLines(told, style);
  }

  #help(): string {
    const { sort, isReversed } = this.#style;
    const keys = SORT_NAMES.map((name) => `${SORTS[name].key} ${name}`).join(", ");
    return `q quit, R reverse; sorted by ${sort}${isReversed ? " reversed" : ""}: ${keys}`;
  }
}

/** Whether a request or pause was cancelled because the screen was to end. */
function isCancellation(error: unknown): boolean {
  return isErrno(error, "ECANCELED") || (error instanceof Error && error.name === "AbortError");
}
