import { constants } from "node:os";
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { type PhaseView, type StopSignal } from "../../broker/index.js";
import { NODE_COMMAND, startProcess } from "../../processes/index.js";
import { LineSplitter } from "../../rc/index.js";
import { ExitError, printLine, say } from "../terminal/output.js";
import { PACKAGE_ROOT } from "../version.js";
import { EVENTS_FD, openStartView, type StartView } from "./start-view.js";

/** Whether a live view of the process in the background is on a terminal. */
export type Detached = "seen" | "unseen";

/** Marks a process as the one in the background. */
const DETACHED_FLAG = "--detached";

/** The messages of the background process to the process on the terminal, until all units are ready. */
type DetachedReport =
  | { readonly type: "talk"; readonly text: string }
  | { readonly type: "event"; readonly line: string }
  | { readonly type: "ready"; readonly uri: string; readonly name: string; readonly pid: number };

interface StopOrder {
  readonly type: "stop";
  readonly signal: StopSignal;
}

/**
 * Runs this command line in a session of its own, and releases the terminal once all is ready. Ctrl-C before that
 * ends it.
 * @param isQuiet shows no live view
 * @throws ExitError with its status if it ended before that
 */
export async function startDetached(isQuiet: boolean): Promise<void> {
  const [, , command = "start", ...words] = process.argv;
  const [file, ...flags] = NODE_COMMAND;
  const rest = words.filter((word) => word !== "--detach");
  const main = `${PACKAGE_ROOT}dist/cli/main.cjs`;
  const view = isQuiet ? undefined : await openStartView();
  const how: Detached = view === undefined ? "unseen" : "seen";
  const child = startProcess(file, [...flags, main, command, `${DETACHED_FLAG}=${how}`, ...rest], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] satisfies StopSignal[]) {
    process.on(signal, () => {
      if (child.connected) child.send({ type: "stop", signal } satisfies StopOrder, () => undefined);
    });
  }
  const ready = await readiness(child, view);
  await view?.close();
  // The URI in the form for `export $(sluice start --detach …)`.
  printLine(`SLUICE_URI=${ready.uri}`);
  say(`sluice-start: ${ready.name} runs (pid ${ready.pid}); 'sluice stop' ends the instance`);
  child.unref();
}

function readiness(
  child: ChildProcess,
  view: StartView | undefined,
): Promise<Extract<DetachedReport, { readonly type: "ready" }>> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => {
      const ended = status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      void Promise.resolve(view?.close()).then(() => reject(new ExitError(ended)));
    });
    child.on("message", (report: DetachedReport) => {
      switch (report.type) {
        case "talk":
          if (view === undefined) process.stderr.write(report.text);
          else view.talk(report.text);
          return;
        case "event":
          view?.take(report.line);
          return;
        case "ready":
          child.removeAllListeners("exit");
          if (child.connected) child.disconnect();
          resolve(report);
      }
    });
  });
}

/** This is the last message: when it has been sent, all earlier messages have been sent too. */
const END: DetachedReport = { type: "talk", text: "" };

/** In the background: passes all messages on to the terminal while it is open. */
export class DetachedView implements PhaseView {
  readonly #pipes: Readable[] = [];
  #isReady = false;

  /** @param onStop called when the terminal has gone, or the user has pressed Ctrl-C, before all was ready */
  constructor(onStop: (signal: StopSignal) => void) {
    process.on("message", ({ signal }: StopOrder) => onStop(signal));
    process.once("disconnect", () => {
      if (!this.#isReady) onStop("SIGHUP");
    });
  }

  attach({ stdout, stderr, stdio }: Pick<ChildProcess, "stdout" | "stderr" | "stdio">): void {
    const events = new LineSplitter((line) => this.#tell({ type: "event", line }));
    const pipe = stdio[EVENTS_FD];
    pipe?.on("data", (chunk: Buffer) => events.push(chunk)).on("end", () => events.end());
    for (const talk of [stdout, stderr]) {
      talk?.setEncoding("utf8").on("data", (text: string) => this.#tell({ type: "talk", text }));
      if (talk !== null) this.#pipes.push(talk);
    }
  }

  say(text: string): void {
    this.#tell({ type: "talk", text: `${text}\n` });
  }

  /** All units are ready. The terminal is no longer needed. */
  ready(instance: { readonly uri: string; readonly name: string; readonly pid: number }): void {
    if (this.#isReady) return;
    this.#isReady = true;
    const { uri, name, pid } = instance;
    this.#tell({ type: "ready", uri, name, pid });
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  resume(): void {
    // There is no initial program.
  }

  /** Resolves when all messages have been passed on. */
  async close(): Promise<void> {
    for (const pipe of this.#pipes) pipe.destroy();
    await new Promise<void>((resolve) => {
      if (process.connected) process.send?.(END, undefined, {}, () => resolve());
      else resolve();
    });
    if (process.connected) process.disconnect();
  }

  #tell(report: DetachedReport): void {
    if (process.connected) process.send?.(report, undefined, {}, () => undefined);
  }
}
