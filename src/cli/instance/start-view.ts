import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { allIsRead } from "../../processes/index.js";
import { LineSplitter } from "../../rc/index.js";
import { isRunEventJson } from "../../run/index.js";
import { canShowLive, type LiveRegion, openLiveRegion } from "../terminal/live-region.js";

/** The descriptor on which a broker gets the pipe for the events of its rc files; descriptor 3 is for its orders. */
export const EVENTS_FD = 4;

/** The live view of rc1 and rc3 on the terminal of `start`, or undefined where there is none. */
export async function openStartView(): Promise<StartView | undefined> {
  if (!canShowLive(process.stderr)) return undefined;
  return new StartView(await openLiveRegion(process.stderr));
}

/**
 * Shows the progress of rc1 and rc3. They run in processes of their own, which report what happens through a pipe.
 * Their messages and those of the broker come here too while the view lasts, so that they do not disturb it. While
 * the initial program has the terminal, the view draws nothing.
 */
export class StartView {
  readonly #region: LiveRegion;
  readonly #pipes: { destroy(): void }[] = [];
  #hasProgram = false;

  constructor(region: LiveRegion) {
    this.#region = region;
  }

  /** Takes the messages of a broker, and the reports of its rc files. */
  attach({ stdout, stderr, stdio }: Pick<ChildProcess, "stdout" | "stderr" | "stdio">): void {
    for (const talk of [stdout, stderr]) if (talk !== null) this.#passOn(talk);
    const events = new LineSplitter((line) => this.take(line));
    const pipe = stdio[EVENTS_FD];
    pipe?.on("data", (chunk: Buffer) => events.push(chunk)).on("end", () => events.end());
    for (const one of [stdout, stderr, pipe]) if (one !== null && one !== undefined) this.#pipes.push(one);
  }

  /** A message of our own. */
  say(text: string): void {
    this.talk(`${text}\n`);
  }

  /** A line for standard output. */
  print(line: string): void {
    this.#region.above(`${line}\n`, process.stdout);
  }

  /** Text that is shown unchanged. */
  talk(text: string): void {
    this.#region.above(text);
  }

  /** Resolves when the initial program can use the terminal. */
  async leave(): Promise<void> {
    // By now the pipe has all reports of rc1 before its end.
    await allIsRead();
    this.#region.end();
    this.#hasProgram = true;
  }

  /** The initial program has ended. */
  resume(): void {
    this.#hasProgram = false;
  }

  /**
   * Releases the terminal. A process that outlives the broker would keep the pipes open, and this process with them.
   */
  async close(): Promise<void> {
    await allIsRead();
    this.#region.end();
    for (const pipe of this.#pipes) pipe.destroy();
  }

  /** Passes on whole lines, above the view while there is one. */
  #passOn(talk: Readable): void {
    const decoder = new StringDecoder("utf8");
    let rest = "";
    const write = (text: string): void => {
      if (text !== "") this.#region.above(text);
    };
    talk.on("data", (chunk: Buffer) => {
      const text = rest + decoder.write(chunk);
      const end = this.#region.isOpen ? text.lastIndexOf("\n") + 1 : text.length;
      rest = text.slice(end);
      write(text.slice(0, end));
    });
    talk.on("close", () => write(rest + decoder.end()));
  }

  /**
   * The reports of rc1 or rc3. Their messages take the same path as all other messages, so that the order is correct.
   */
  take(line: string): void {
    const report: unknown = JSON.parse(line);
    if (typeof report !== "object" || report === null || !("event" in report)) return;
    const { event } = report;
    if (!isRunEventJson(event) || this.#hasProgram) return;
    this.#region.show(event);
  }
}
