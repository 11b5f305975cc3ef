import type { StopSignal } from "../../broker/index.js";
import type { OutputLine } from "../../rc/index.js";

/** The orders of a broker to the host of rc1 or rc3. */
export type PhaseOrder =
  | ({ readonly type: "go" } & PhaseStart)
  /** Start nothing more. */
  | { readonly type: "stop"; readonly signal: StopSignal }
  /** The time after which modules that have not ended are cancelled. */
  | { readonly type: "hurry"; readonly cancelAfterMs: number }
  /** Its time has run out. */
  | { readonly type: "expire"; readonly message: string };

/** The data that a phase begins with. */
export interface PhaseStart {
  readonly phase: "rc1" | "rc3";
  readonly env: Readonly<Record<string, string>>;
  readonly cancelAfterMs?: number | undefined;
  /** When to report a wait: first after this time, then again after each such time. */
  readonly waitingAfterMs: number;
  readonly waitingEveryMs: number;
  /** Problems of files that the previous phase has printed. */
  readonly said: readonly string[];
}

/** The reports of a phase's host to its broker. */
export type PhaseNews =
  /** The first failure: of a unit, or of the whole phase. */
  | { readonly type: "failed"; readonly unit?: string | undefined; readonly message: string }
  | { readonly type: "waiting"; readonly text: string }
  /** A unit is done. */
  | { readonly type: "progress" }
  /** The phase has printed a problem of a file. */
  | { readonly type: "said"; readonly text: string }
  /** The host can run another phase, because this one succeeded and left no process behind. */
  | { readonly type: "done" };

/** Begins a line of a task on the standard output of a phase's host. Other lines there are plain text. */
const TASK_LINE = "\u001e";

/** A line of output for the broker, with the task that has printed it. */
export function formatOutput({ unit, stream, text }: OutputLine): string {
  return unit === undefined ? `${text}\n` : `${TASK_LINE}${JSON.stringify([unit, stream, text])}\n`;
}

/** @param line without its end */
export function parseOutput(line: string): OutputLine {
  const parts = line.startsWith(TASK_LINE) ? arrayOf(line.slice(TASK_LINE.length)) : [];
  const [unit, stream, text] = parts;
  if (typeof unit !== "string" || typeof text !== "string")
    return { unit: undefined, stream: "stdout", text: line };
  return { unit, stream: stream === "stderr" ? "stderr" : "stdout", text };
}

/** Empty for a line that a program has printed directly. */
function arrayOf(text: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

/**
 * The channel of the host of a phase to its broker, which has started it before it is needed. As long as it is open,
 * the host ignores signals that go to every process of a service.
 */
export class PhaseChannel {
  #link: PhaseLink | undefined;
  #start: (start: PhaseStart) => void = () => undefined;
  #sent: Promise<void> = Promise.resolve();

  constructor() {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
    process.on("message", (order: PhaseOrder) => this.#take(order));
    process.on("disconnect", () => {
      if (this.#link === undefined) process.exit(0);
      this.#link.abort();
    });
  }

  /** Waits until a phase may begin, and takes the environment of that moment. */
  async begin(): Promise<{ readonly link: PhaseLink; readonly start: PhaseStart }> {
    const start = await new Promise<PhaseStart>((resolve) => (this.#start = resolve));
    for (const name of Object.keys(process.env)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, start.env);
    const link = new PhaseLink((news) => this.#tell(news));
    this.#link = link;
    return { link, start };
  }

  /** The phase succeeded: until the broker orders another one, the host ends with the broker. */
  rest(): void {
    this.#link = undefined;
    this.#tell({ type: "done" });
  }

  /** Releases the channel, so that the process can end. */
  async close(): Promise<void> {
    await this.#sent;
    process.removeAllListeners("disconnect");
    if (process.connected) process.disconnect();
  }

  #tell(news: PhaseNews): void {
    if (!process.connected) return;
    this.#sent = new Promise((resolve) => {
      // A broker that has ended gets no more reports.
      process.send?.(news, undefined, {}, () => resolve());
    });
  }

  #take(order: PhaseOrder): void {
    if (order.type === "go") this.#start(order);
    else this.#link?.take(order);
  }
}

/** The messages between the host of a phase and its broker while the phase runs. */
export class PhaseLink {
  /** Aborted when nothing more is to be started. */
  readonly stop = new AbortController();
  /** Aborted when the running steps are to be cancelled. */
  readonly cancel = new AbortController();
  /** The exit status after an interrupt. */
  status = 143;
  /** Called when modules are to end at once or be cancelled. */
  onHurry: (cancelAfterMs: number) => void = () => undefined;
  /** The broker's message about a phase that has timed out. */
  expired: string | undefined;
  readonly #send: (news: PhaseNews) => void;
  #hasFailed = false;

  constructor(send: (news: PhaseNews) => void) {
    this.#send = send;
  }

  /** Reports to the broker; of failures the first counts. */
  tell(news: PhaseNews): void {
    if (news.type === "failed" && this.#hasFailed) return;
    this.#hasFailed ||= news.type === "failed";
    this.#send(news);
  }

  /** Starts nothing more, and cancels the running steps. */
  abort(): void {
    this.stop.abort();
    this.cancel.abort();
  }

  take(order: Exclude<PhaseOrder, { readonly type: "go" }>): void {
    switch (order.type) {
      case "stop":
        this.status = order.signal === "SIGINT" ? 130 : 143;
        this.stop.abort();
        return;
      case "hurry":
        this.onHurry(order.cancelAfterMs);
        return;
      case "expire":
        this.expired = order.message;
        this.abort();
    }
  }
}
