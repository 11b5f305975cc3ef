import { messageOf } from "../../errors/index.js";
import { commandEndText, endOf, startProcess } from "../../processes/index.js";
import type { LifeState } from "./instance-life.js";

/** A program that sends its arguments, each `NAME=VALUE`, to the socket that `NOTIFY_SOCKET` names. */
export interface NotifySender {
  readonly command: readonly [file: string, ...args: string[]];
  /** Variables in addition to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

interface NotifierOptions {
  /** The value of `NOTIFY_SOCKET`. */
  readonly socket: string;
  /** In order of preference. If a program is missing, the notifier skips it from then on. */
  readonly senders: readonly NotifySender[];
  /** Called for each message that could not be sent. */
  readonly onError: (text: string) => void;
}

/** How long one message may take. systemd-notify waits until the manager has taken it. */
const SEND_TIMEOUT_MS = 5000;

/**
 * Reports the state of an instance to a service manager, by the protocol of sd_notify(3). Small programs send
 * the messages, one at a time, in order, because Node has no datagram sockets of the file system. Only {@link
 * close} waits for them.
 */
export class ServiceNotifier {
  readonly #options: NotifierOptions;
  readonly #senders: NotifySender[];
  #last: Promise<void> = Promise.resolve();
  #isReady = false;
  #isReloading = false;
  #isStopping = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#senders = [...options.senders];
  }

  /**
   * Sends `STATUS=` with the state. Adds `READY=1` when the instance runs, and `STOPPING=1` when it begins to end.
   */
  state(state: LifeState): void {
    const assignments = [`STATUS=${state}`];
    if (state === "run") {
      this.#isReady = true;
      assignments.unshift("READY=1");
    }
    if (isEnding(state) && !this.#isStopping) {
      this.#isStopping = true;
      assignments.unshift("STOPPING=1");
    }
    this.#last = this.#last.then(() => this.#send(assignments));
  }

  /** Sends `STATUS=` with other information for people. */
  status(text: string): void {
    this.#last = this.#last.then(() => this.#send([`STATUS=${text}`]));
  }

  /**
   * Sends `RELOADING=1` with the time at which a change of the configuration began, and `READY=1` at its end. Sends
   * nothing before the instance runs, nor after it has begun to end.
   */
  reloading(isUnderWay: boolean): void {
    if (isUnderWay === this.#isReloading || !this.#isReady || this.#isStopping) return;
    this.#isReloading = isUnderWay;
    // The clock is that of CLOCK_MONOTONIC.
    const begun = [
      "RELOADING=1",
      `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`,
      "STATUS=run: reloading",
    ];
    const assignments = isUnderWay ? begun : ["READY=1", "STATUS=run"];
    this.#last = this.#last.then(() => this.#send(assignments));
  }

  /** Sends `EXTEND_TIMEOUT_USEC=`: the start or stop under way may take this much longer. */
  extend(timeMs: number): void {
    this.#last = this.#last.then(() => this.#send([`EXTEND_TIMEOUT_USEC=${Math.round(timeMs * 1000)}`]));
  }

  /** Sends `WATCHDOG=1`: the instance still answers. */
  keepAlive(): void {
    this.#last = this.#last.then(() => this.#send(["WATCHDOG=1"]));
  }

  /** Resolves when each message has been sent, or has failed. */
  close(): Promise<void> {
    return this.#last;
  }

  async #send(assignments: readonly string[]): Promise<void> {
    for (let sender = this.#senders[0]; sender !== undefined; sender = this.#senders[0]) {
      const outcome = await run(sender, assignments, this.#options.socket);
      switch (outcome.kind) {
        case "sent":
          return;
        case "missing":
          this.#senders.shift();
          if (this.#senders.length === 0) this.#complainOfSenders();
          break;
        case "failed":
          this.#options.onError(
            `cannot notify ${this.#options.socket}: ${sender.command[0]}: ${outcome.message}`,
          );
          return;
      }
    }
  }

  #complainOfSenders(): void {
    const names = this.#options.senders.map(({ command }) => command[0]).join(" or ");
    this.#options.onError(`NOTIFY_SOCKET needs ${names}, which this host lacks`);
  }
}

function isEnding(state: LifeState): boolean {
  switch (state) {
    case "cleanup":
    case "shutdown":
    case "finalize":
    case "goodbye":
      return true;
    case "join":
    case "init":
    case "quorum":
    case "run":
      return false;
  }
}

type SendOutcome =
  | { readonly kind: "sent" }
  | { readonly kind: "missing" }
  | { readonly kind: "failed"; readonly message: string };

function run(
  { command, env }: NotifySender,
  assignments: readonly string[],
  socket: string,
): Promise<SendOutcome> {
  const [file, ...args] = command;
  return new Promise((resolve) => {
    const child = startProcess(file, [...args, ...assignments], {
      env: { ...process.env, ...env, NOTIFY_SOCKET: socket },
      stdio: ["ignore", "ignore", "pipe"],
    });
    // The time-out of spawn() would continue after the failed start of a missing program.
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, SEND_TIMEOUT_MS);
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    child.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      resolve(error.code === "ENOENT" ? { kind: "missing" } : { kind: "failed", message: messageOf(error) });
    });
    child.once("close", (status, signal) => {
      clearTimeout(timer);
      if (status === 0) resolve({ kind: "sent" });
      else
        resolve({
          kind: "failed",
          message: text.trim() || (isLate ? "no answer in time" : commandEndText(endOf(status, signal))),
        });
    });
  });
}
