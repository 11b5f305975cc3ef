/** The events of a program in one start, kept until the loader reads them. */
export class ProgramEvents {
  /** `STATUS=` of its latest notification. */
  status: string | undefined;
  /** When it last sent `WATCHDOG=1`, by `performance.now()`. */
  lastKeepAliveMs: number | undefined;
  #isReady = false;
  #isReadyOnDescriptor = false;
  #ready: () => void = () => undefined;
  #descriptor: () => void = () => undefined;
  #linesCame: () => void = () => undefined;
  #lines: string[] = [];
  #collects: boolean;

  /** @param collectsLines whether a probe reads its lines */
  constructor(collectsLines: boolean) {
    this.#collects = collectsLines;
  }

  onReady(listener: () => void): void {
    this.#ready = listener;
    if (this.#isReady) listener();
  }

  onDescriptor(listener: () => void): void {
    this.#descriptor = listener;
    if (this.#isReadyOnDescriptor) listener();
  }

  onLines(listener: () => void): void {
    this.#linesCame = listener;
    if (this.#lines.length > 0) listener();
  }

  /** Lines that have come since the last call. */
  takeLines(): readonly string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** Stops collecting lines, because no probe reads them any more. */
  stopCollecting(): void {
    this.#collects = false;
    this.#lines = [];
  }

  line(text: string): void {
    if (!this.#collects) return;
    this.#lines.push(text);
    this.#linesCame();
  }

  readyOnDescriptor(): void {
    this.#isReadyOnDescriptor = true;
    this.#descriptor();
  }

  /** Takes a datagram of sd_notify(3). */
  notified(text: string): void {
    for (const line of text.split("\n")) {
      if (line === "READY=1") {
        this.#isReady = true;
        this.#ready();
      } else if (line === "WATCHDOG=1") this.lastKeepAliveMs = performance.now();
      else if (line === "STOPPING=1") this.status = "stopping";
      else if (line.startsWith("STATUS=")) this.status = line.slice("STATUS=".length);
    }
  }
}
