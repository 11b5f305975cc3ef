import { requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Call } from "../service-call.js";
import { type ApplyHost, type ApplyOutcome, ApplyRun } from "./apply-run.js";
import type { ApplySteps } from "./apply-steps.js";

/** One client's apply, from its place in the queue to its outcome. */
interface Session {
  readonly call: Call;
  /** The name of the client, for other clients that wait for it. */
  readonly by: string;
  stage: "waiting" | "open" | "prepared" | "running" | "held";
  run: ApplyRun | undefined;
  isHeld: boolean;
  isLeft: boolean;
}

/** The applies of one broker, one at a time. While an apply runs, no other apply changes the modules that it sees. */
export class ApplySessions {
  readonly #host: ApplyHost;
  readonly #onEnd: (call: Call) => void;
  readonly #queue: Session[] = [];
  #current: Session | undefined;

  /** @param onEnd called for each stream that has ended */
  constructor(host: ApplyHost, onEnd: (call: Call) => void) {
    this.#host = host;
    this.#onEnd = onEnd;
  }

  /**
   * Takes a client's place in the queue. Its stream names the apply that it waits for, and reports its turn.
   * @returns a function to call when the client has disconnected
   */
  open(call: Call, by: string): () => void {
    call.requireStreaming();
    const fresh = { stage: "waiting", run: undefined, isHeld: false, isLeft: false } as const;
    const session: Session = { call, by, ...fresh };
    this.#queue.push(session);
    const ahead = this.#current ?? (this.#queue.length > 1 ? this.#queue[0] : undefined);
    if (ahead !== undefined) call.respond({ kind: "waiting", by: ahead.by });
    this.#next();
    return () => this.#leave(session);
  }

  /** Checks all steps before the first one; reports those that would fail. */
  async prepare(call: Call, steps: ApplySteps): Promise<void> {
    const session = this.#of(call);
    if (session.stage !== "open") throw requestError("EBUSY", "the steps of this apply are prepared already");
    const run = new ApplyRun(this.#host, steps, (event) => {
      if (!session.isLeft) session.call.respond({ kind: "step", ...event });
    });
    session.run = run;
    session.isHeld = steps.held;
    const failures = await run.check();
    if (failures.length === 0 && !session.isLeft) session.stage = "prepared";
    call.respond({ failures: failures.map((failure) => ({ ...failure })) as JsonValue });
  }

  /** Carries the steps out, even if the client disconnects. The stream reports the outcome. */
  start(call: Call): void {
    const session = this.#of(call);
    if (session.stage !== "prepared")
      throw requestError("EINVAL", "the steps of this apply are not prepared");
    session.stage = "running";
    void this.#carryOut(session);
    call.respond();
  }

  interrupt(call: Call): void {
    this.#of(call).run?.interrupt();
    call.respond();
  }

  /** Keeps the held changes, or undoes them. */
  async settle(call: Call, keep: boolean): Promise<void> {
    const session = this.#of(call);
    const { run } = session;
    if (session.stage !== "held" || run === undefined)
      throw requestError("EINVAL", "no apply waits for a decision");
    session.stage = "running";
    if (keep) run.keep();
    const outcome = keep ? undefined : await run.undo();
    call.respond(outcome === undefined ? {} : outcomeAsJson(outcome));
    this.#end(session);
  }

  async #carryOut(session: Session): Promise<void> {
    const { run } = session;
    if (run === undefined) return;
    const outcome = await run.run();
    if (outcome.outcome === "applied" && (!session.isHeld || session.isLeft)) run.keep();
    if (!session.isLeft) session.call.respond({ kind: "done", ...outcomeAsJson(outcome) });
    if (session.isHeld && !session.isLeft && outcome.outcome === "applied") {
      session.stage = "held";
      run.endTrials();
    } else this.#end(session);
  }

  #leave(session: Session): void {
    session.isLeft = true;
    switch (session.stage) {
      case "waiting":
        this.#queue.splice(this.#queue.indexOf(session), 1);
        return;
      case "open":
      case "prepared":
        this.#end(session);
        return;
      case "held":
        session.run?.keep();
        this.#end(session);
        return;
      case "running":
        this.#host.log("notice", `apply: ${session.by} has disconnected; the apply continues to its end`);
    }
  }

  #end(session: Session): void {
    if (!session.isLeft) {
      this.#onEnd(session.call);
      session.call.fail("ENODATA");
    }
    if (this.#current === session) this.#current = undefined;
    this.#next();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const session = this.#queue.shift();
    if (session === undefined) return;
    this.#current = session;
    session.stage = "open";
    session.call.respond({ kind: "open" });
  }

  #of(call: Call): Session {
    if (this.#current?.call.sender === call.sender) return this.#current;
    throw requestError("EPERM", "no apply of this client is open");
  }
}

function outcomeAsJson({ outcome, failures, leftOut, incomplete }: ApplyOutcome): Record<string, JsonValue> {
  const asJson = ({ unit, message, lines }: ApplyOutcome["failures"][number]): JsonValue => {
    return { unit, message, lines: [...lines] };
  };
  return {
    outcome,
    failures: failures.map(asJson),
    leftOut: leftOut.map(asJson),
    incomplete: incomplete.map(({ unit, why }) => ({ unit, why })),
  };
}
