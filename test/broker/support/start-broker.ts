import { onTestFinished } from "vitest";
import { Broker, type BrokerOptions, type LogEntry } from "../../../src/broker/index.js";
import type { Handle, ModuleMain } from "../../../src/messages/index.js";
import { FakeClock } from "./fake-clock.js";
import { MemoryLoader } from "./memory-loader.js";

export interface TestBroker {
  readonly broker: Broker;
  readonly loader: MemoryLoader;
  readonly clock: FakeClock;
  readonly handle: Handle;
  readonly log: LogEntry[];
  /** Resolves when a line of the log contains the text. */
  readonly logged: (text: string) => Promise<LogEntry>;
}

/** A broker over code in memory, without a socket, closed when the test ends. */
export async function startBroker(
  mains: Readonly<Record<string, ModuleMain>> = {},
  options: BrokerOptions = {},
): Promise<TestBroker> {
  const loader = new MemoryLoader(mains);
  const clock = new FakeClock();
  const log: LogEntry[] = [];
  const waiting = new Set<(entry: LogEntry) => void>();
  const broker = await Broker.start({
    socket: false,
    env: {},
    clock,
    findModule: loader.find,
    onLog: (entry) => {
      log.push(entry);
      for (const check of [...waiting]) check(entry);
    },
    ...options,
  });
  onTestFinished(async () => {
    await broker.close();
  });
  const logged = (text: string): Promise<LogEntry> =>
    new Promise((resolve) => {
      const check = (entry: LogEntry): void => {
        if (!entry.text.includes(text)) return;
        waiting.delete(check);
        resolve(entry);
      };
      waiting.add(check);
      for (const entry of log) check(entry);
    });
  return { broker, loader, clock, handle: await broker.connect(), log, logged };
}
