import { type Broker, delayOf } from "../../broker/index.js";
import { startInterval, type Timer } from "../../processes/index.js";

/** How often it checks which modules have gone. */
const LOOK_MS = 200;

/**
 * Reports once which modules a shutdown waits for, with the processes of the modules that have one. It does so when a
 * module takes longer to end than the attribute `broker.stopping-after` allows.
 */
export class ShutdownNote {
  readonly #broker: Broker;
  readonly #tell: (text: string) => void;
  /** Name → when it was first found to be leaving. */
  readonly #since = new Map<string, number>();
  #timer: Pick<Timer, "cancel"> | undefined;

  /** @param tell gets the same text as the log */
  constructor(broker: Broker, tell: (text: string) => void) {
    this.#broker = broker;
    this.#tell = tell;
  }

  /** Reports the begin of the shutdown; several calls are allowed. */
  begin(): void {
    this.#timer ??= startInterval(LOOK_MS, () => this.#look());
  }

  close(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const nowMs = performance.now();
    const leaving = this.#broker.leavingModules();
    for (const { name } of leaving) if (!this.#since.has(name)) this.#since.set(name, nowMs);
    const longMs = delayOf(this.#broker.attributes, "broker.stopping-after") - LOOK_MS;
    if (!leaving.some(({ name }) => nowMs - (this.#since.get(name) ?? nowMs) >= longMs)) return;
    this.close();
    const names = leaving.map(({ name, pid }) => (pid === undefined ? name : `${name} (pid ${pid})`));
    const text = `the shutdown waits for ${names.join(", ")}`;
    this.#broker.log.append("broker", "warning", text);
    this.#tell(text);
  }
}
