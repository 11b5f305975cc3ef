import { fields, type Handle, type JsonValue, type Payload } from "../../messages/index.js";
import { SluiceError } from "../../errors/index.js";

const FAILURE = { unit: "string", message: "string", lines: "string[]" } as const;
const LEFTOVER = { unit: "string", why: "string" } as const;
const OUTCOME = { outcome: "string", failures: "array", leftOut: "array", incomplete: "array" } as const;
const STEP = { type: "string", action: "string", unit: "string", message: "string?" } as const;

/** A unit that failed, and the last lines that it wrote. */
export interface UnitFailure {
  readonly unit: string;
  readonly message: string;
  readonly lines: readonly string[];
}

/** How an apply has ended on one rank. */
export interface RankOutcome {
  readonly outcome: "applied" | "rolled-back" | "incomplete";
  readonly failures: readonly UnitFailure[];
  /** Optional units that failed. */
  readonly leftOut: readonly UnitFailure[];
  /** Each unit in neither its old nor its new state. */
  readonly incomplete: readonly { readonly unit: string; readonly why: string }[];
}

/** The progress of one unit during an apply. */
export interface ApplyStepEvent {
  readonly type: string;
  readonly action: string;
  readonly unit: string;
  readonly message: string | undefined;
}

/** Carries an apply out on one rank. */
export interface ApplyTurn {
  /** Checks all modules to load; returns the reasons against the apply. */
  prepare(steps: JsonValue): Promise<UnitFailure[]>;
  /** Carries the steps out. */
  run(onStep: (event: ApplyStepEvent) => void): Promise<RankOutcome>;
  /** Stops further steps and undoes the finished ones. The second call stops the undo. */
  interrupt(): Promise<void>;
  /** Keeps the held changes. */
  keep(): Promise<void>;
  /** Undoes the held changes. */
  undo(): Promise<RankOutcome>;
  /** Gives the turn to the next apply in the queue. */
  close(): Promise<void>;
}

/**
 * The apply of one client on one rank of an instance of ours. The instance carries it out, even if the client ends.
 */
export class ApplySession implements ApplyTurn {
  readonly #handle: Handle;
  readonly #rank: number;
  readonly #stream: AsyncIterableIterator<Payload>;

  private constructor(handle: Handle, rank: number, stream: AsyncIterableIterator<Payload>) {
    this.#handle = handle;
    this.#rank = rank;
    this.#stream = stream;
  }

  /**
   * Waits for its turn: a rank carries out one apply at a time.
   * @param by the client's name, for other clients that wait for it
   * @param onWaiting called with the name of the apply that it waits for
   */
  static async open(
    handle: Handle,
    rank: number,
    { by, onWaiting }: { readonly by: string; readonly onWaiting: (by: string) => void },
  ): Promise<ApplySession> {
    const stream = handle.rpcStream("module.apply", { by }, { rank });
    for (;;) {
      const { kind, by: other } = fields(await nextOf(stream), { kind: "string", by: "string?" });
      if (kind === "open") return new ApplySession(handle, rank, stream);
      onWaiting(other ?? "");
    }
  }

  async prepare(steps: JsonValue): Promise<UnitFailure[]> {
    const answer = await this.#ask("module.apply-prepare", { steps });
    return fields(answer, { failures: "array" }).failures.map((failure) => fields(failure, FAILURE));
  }

  async run(onStep: (event: ApplyStepEvent) => void): Promise<RankOutcome> {
    await this.#ask("module.apply-start");
    for (;;) {
      const event = await nextOf(this.#stream);
      if (fields(event, { kind: "string" }).kind === "done") return outcomeOf(event);
      onStep(fields(event, STEP));
    }
  }

  async interrupt(): Promise<void> {
    await this.#ask("module.apply-interrupt");
  }

  async keep(): Promise<void> {
    await this.#ask("module.apply-settle", { keep: true });
  }

  async undo(): Promise<RankOutcome> {
    return outcomeOf(await this.#ask("module.apply-settle", { keep: false }));
  }

  async close(): Promise<void> {
    await this.#stream.return?.();
  }

  #ask(topic: string, payload?: JsonValue): Promise<Payload> {
    return this.#handle.rpc(topic, payload, { rank: this.#rank });
  }
}

function outcomeOf(payload: Payload): RankOutcome {
  const { outcome, failures, leftOut, incomplete } = fields(payload, OUTCOME);
  return {
    outcome: outcome === "applied" || outcome === "rolled-back" ? outcome : "incomplete",
    failures: failures.map((failure) => fields(failure, FAILURE)),
    leftOut: leftOut.map((failure) => fields(failure, FAILURE)),
    incomplete: incomplete.map((unit) => fields(unit, LEFTOVER)),
  };
}

async function nextOf(stream: AsyncIterableIterator<Payload>): Promise<Payload> {
  const next = await stream.next();
  if (next.done !== true) return next.value;
  throw new SluiceError("BROKER_REQUEST", "the broker has ended the apply");
}
