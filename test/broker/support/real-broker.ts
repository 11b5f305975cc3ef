import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
// Hosts of modules run from files, so this is what was built.
import { Broker, type BrokerOptions, type LogEntry } from "../../../dist/broker/index.js";
import { connect, type Handle } from "../../../src/messages/index.js";

export interface RealBroker {
  readonly broker: Broker;
  /** Over the unix socket. */
  readonly handle: Handle;
  /** Texts of the log. */
  readonly log: readonly string[];
  /** Resolves to the first line of the log that contains the text, of those that came and those to come. */
  readonly logged: (text: string) => Promise<LogEntry>;
  /** A directory for files of the test. */
  readonly dir: string;
}

/** The built broker with a client on its socket, gone when the test ends. Failures of modules are only logged. */
export async function realBroker(options: BrokerOptions = {}): Promise<RealBroker> {
  const dir = mkdtempSync(join(tmpdir(), "sluice-loaders-test-"));
  const entries: LogEntry[] = [];
  const log: string[] = [];
  const waiting = new Set<(entry: LogEntry) => void>();
  const broker = await Broker.start({
    env: { PATH: process.env["PATH"], XDG_RUNTIME_DIR: dir },
    attributes: { "broker.module-nopanic": "1" },
    onLog: (entry) => {
      entries.push(entry);
      log.push(entry.text);
      for (const check of [...waiting]) check(entry);
    },
    ...options,
  });
  onTestFinished(async () => {
    await broker.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const logged = (text: string): Promise<LogEntry> =>
    new Promise((resolve) => {
      const check = (entry: LogEntry): void => {
        if (!entry.text.includes(text)) return;
        waiting.delete(check);
        resolve(entry);
      };
      waiting.add(check);
      entries.forEach(check);
    });
  return { broker, handle: await connect(broker.uri ?? ""), log, logged, dir };
}
