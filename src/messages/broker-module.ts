import type { Handle, LogLevel } from "./types.js";

/** Logs at a level. */
export type ModuleLog = Readonly<Record<LogLevel, (text: string) => void>>;

/**
 * A module as a class (docs/design/modules.md §5). A file exports a subclass by default. Its loader calls
 * `new X(handle, args).run()`.
 *
 * ```ts
 * export default class Hello extends BrokerModule {
 *   protected override setup() {
 *     this.handle.handle("greet", () => ({ text: `hello from ${this.name}` }));
 *   }
 * }
 * ```
 */
export class BrokerModule {
  readonly handle: Handle;
  readonly args: readonly string[];
  readonly log: ModuleLog;

  constructor(handle: Handle, args: readonly string[]) {
    this.handle = handle;
    this.args = args;
    const at = (level: LogLevel) => (text: string) => handle.log(level, text);
    this.log = {
      emerg: at("emerg"),
      alert: at("alert"),
      crit: at("crit"),
      err: at("err"),
      warning: at("warning"),
      notice: at("notice"),
      info: at("info"),
      debug: at("debug"),
    };
  }

  /** The name under which the broker loaded the module. */
  get name(): string {
    return this.handle.name;
  }

  /**
   * Calls {@link setup}, then answers requests until shutdown. Rejects with the module's error if it fails.
   */
  async run(): Promise<void> {
    await this.setup();
    await this.handle.run();
  }

  /** Reports that the module runs, before it enters its event loop. */
  setRunning(): void {
    this.handle.setRunning();
  }

  /** Whether a debug bit is set. With `clear`, unsets it. */
  debugTest(bit: number, clear = false): boolean {
    return this.handle.debugTest(bit, clear);
  }

  /** Leaves the event loop. */
  stop(): void {
    this.handle.stop();
  }

  /** Leaves the event loop with an error, with which the module fails. */
  stopError(error: Error): void {
    this.handle.stop(error);
  }

  /** Subclasses register handlers and subscribe here. If the method throws an error, the load fails. */
  protected setup(): Promise<void> | void {
    return;
  }
}
