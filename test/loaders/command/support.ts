import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Broker, type BrokerOptions, type LogEntry } from "../../../dist/broker/index.js";
import { fields, type Handle, type JsonValue } from "../../../src/messages/index.js";

/** A broker with real programs. */
export interface Stage {
  readonly broker: Broker;
  readonly handle: Handle;
  readonly log: LogEntry[];
  /** A directory of the test, in which programs run. */
  readonly dir: string;
  /** Loads a program; it is called `p` unless something else is said. */
  readonly load: (program: Readonly<Record<string, JsonValue>>) => Promise<unknown>;
  readonly remove: (name?: string) => Promise<unknown>;
  /** The processes of a program as its `status` has them. */
  readonly processes: (name?: string) => Promise<number[]>;
  readonly pid: (name?: string) => Promise<number>;
  /** Resolves when the log has a line that matches. */
  readonly logged: (text: string | RegExp) => Promise<LogEntry>;
  /** Writes a file into the directory. */
  readonly write: (name: string, text: string) => string;
}

/** Starts a broker of the built program, which ends with the test. */
export async function startStage(options: BrokerOptions = {}): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), "sluice-programs-test-"));
  const log: LogEntry[] = [];
  const watchers = new Set<() => void>();
  const broker = await Broker.start({
    env: { PATH: process.env["PATH"] ?? "", HOME: dir, XDG_RUNTIME_DIR: dir },
    socket: false,
    attributes: { "broker.module-nopanic": "1" },
    onLog: (entry) => {
      log.push(entry);
      watchers.forEach((watch) => watch());
    },
    ...options,
  });
  onTestFinished(async () => {
    await broker.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const handle = await broker.connect();
  const status = async (name: string) =>
    fields(await handle.rpc(`${name}.status`), { pid: "integer", processes: "array" });
  return {
    ...{ broker, handle, log, dir },
    load: (program) =>
      handle.rpc("module.load", { name: "p", path: "p", directory: dir, onFailure: "log", ...program }),
    remove: (name = "p") => handle.rpc("module.remove", { name }),
    processes: async (name = "p") =>
      (await status(name)).processes.map((one) => fields(one, { pid: "integer" }).pid),
    pid: async (name = "p") => (await status(name)).pid,
    logged: (text) => whenLogged(log, watchers, text),
    write: (name, text) => {
      writeFileSync(join(dir, name), text);
      return join(dir, name);
    },
  };
}

function whenLogged(
  log: readonly LogEntry[],
  watchers: Set<() => void>,
  text: string | RegExp,
): Promise<LogEntry> {
  return new Promise((resolve) => {
    const watch = (): void => {
      const found = log.find((entry) =>
        typeof text === "string" ? entry.text.includes(text) : text.test(entry.text),
      );
      if (found === undefined) return;
      watchers.delete(watch);
      resolve(found);
    };
    watchers.add(watch);
    watch();
  });
}

/** Whether a process is there; a zombie is not. */
export function isAlive(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return false;
  const text = readFileSync(file, "latin1");
  return text.charAt(text.lastIndexOf(")") + 2) !== "Z";
}

/** Processes that were started by a stage, by the directory that is their home. */
export function processesIn(dir: string): number[] {
  return readdirSync("/proc")
    .filter(
      (name) => /^\d+$/.test(name) && isAlive(Number(name)) && environmentOf(name).includes(`HOME=${dir}`),
    )
    .map(Number);
}

function environmentOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
