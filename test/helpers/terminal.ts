import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";

export interface TerminalOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly columns?: number;
  readonly rows?: number;
}

/** How long a screen may take to come, on a busy machine. */
const PATIENCE_MS = 30_000;

/** A real terminal, by tmux, with a program in it; what is typed reaches it, and what it shows can be read. */
export class Terminal {
  readonly #server = `sluice-test-${randomUUID()}`;
  readonly #env: Readonly<Record<string, string>>;
  /** Told by tmux of everything that is written to the terminal. */
  readonly #control: ChildProcess;
  readonly #watchers = new Set<() => void>();

  constructor(argv: readonly string[], { env, cwd, columns = 100, rows = 30 }: TerminalOptions) {
    // A terminal in a terminal is refused.
    this.#env = { ...env, TERM: "xterm-256color", TMUX: "" };
    const size = ["-x", String(columns), "-y", String(rows)];
    this.#tmux("-f", "/dev/null", "new-session", "-d", "-s", "main", ...size, "-c", cwd, ...argv);
    this.#tmux("set-option", "-g", "window-size", "manual");
    this.#control = spawn("tmux", ["-L", this.#server, "-C", "attach", "-t", "main"], { env: this.#env });
    this.#control.stdout?.on("data", () => this.#watchers.forEach((watch) => watch()));
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux("send-keys", "-t", "main", "-l", "--", text);
  }

  /** Presses keys by tmux's names: `Enter`, `Tab`, `C-c`, `q`. */
  press(...keys: readonly string[]): void {
    this.#tmux("send-keys", "-t", "main", ...keys);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-t", "main", "-x", String(columns), "-y", String(rows));
  }

  /** What can be seen now, without blanks at the ends of lines. */
  screen(): string {
    return this.#tmux("capture-pane", "-p", "-t", "main");
  }

  /** The same with the sequences of colours. */
  styled(): string {
    return this.#tmux("capture-pane", "-e", "-p", "-t", "main");
  }

  isCursorShown(): boolean {
    return this.#tmux("display-message", "-p", "-t", "main", "#{cursor_flag}").trim() === "1";
  }

  /** Everything since the beginning, also what has scrolled away. */
  scrollback(): string {
    return this.#tmux("capture-pane", "-p", "-t", "main", "-S", "-");
  }

  /** Resolves to the screen as soon as it is as wanted; rejects with what is there instead, after long enough. */
  waitFor(wanted: RegExp | ((screen: string) => boolean)): Promise<string> {
    return typeof wanted === "function"
      ? this.#waitUntil(wanted, "what is to come")
      : this.#waitUntil((screen) => wanted.test(screen), String(wanted));
  }

  /** The same for the lines of the screen, without blanks at their ends. */
  async shows(passes: (lines: readonly string[]) => boolean): Promise<readonly string[]> {
    return linesOf(await this.#waitUntil((screen) => passes(linesOf(screen)), "what is to come"));
  }

  #waitUntil(passes: (screen: string) => boolean, wanted: string): Promise<string> {
    return new Promise((found, failed) => {
      const end = (settle: () => void): void => {
        this.#watchers.delete(watch);
        clearTimeout(deadline);
        settle();
      };
      const watch = (): void => {
        const screen = this.screen();
        if (passes(screen)) end(() => found(screen));
      };
      const fail = (problem: string): void => end(() => failed(new Error(`${problem} ${wanted}`)));
      const deadline = setTimeout(() => fail(`${this.screen()}\n  is shown, and not`), PATIENCE_MS);
      this.#control.once("exit", () => fail("the terminal ended before it showed"));
      this.#watchers.add(watch);
      watch();
    });
  }

  close(): void {
    this.#watchers.clear();
    try {
      this.#tmux("kill-server");
    } catch (error) {
      // Its server has ended if what ran in the terminal has.
      if (!String(error).includes("no server running")) throw error;
    }
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync("tmux", ["-L", this.#server, ...args], { env: this.#env, encoding: "utf8" });
  }
}

function linesOf(screen: string): string[] {
  return screen.split("\n").map((line) => line.trimEnd());
}
