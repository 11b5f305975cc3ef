import type { Overlay, OverlayReceiver, PublishOutcome, UnsequencedEvent } from "../../src/broker/index.js";
import type { Backlog, FlowControl, RequestMessage, ResponseMessage } from "../../src/messages/index.js";

/** Joins brokers in one thread. */
export class MemoryOverlay implements Overlay {
  readonly rank: number;
  readonly size: number;
  readonly upstream: number | undefined;
  readonly #ranks: MemoryOverlay[];
  private receiver: OverlayReceiver | undefined;
  /** For rank 0, which orders events. */
  private seq = 0;

  private constructor(rank: number, size: number, ranks: MemoryOverlay[]) {
    this.rank = rank;
    this.size = size;
    this.upstream = rank === 0 ? undefined : 0;
    this.#ranks = ranks;
  }

  static pair(): readonly [MemoryOverlay, MemoryOverlay] {
    const ranks: MemoryOverlay[] = [];
    const pair = [new MemoryOverlay(0, 2, ranks), new MemoryOverlay(1, 2, ranks)] as const;
    ranks.push(...pair);
    return pair;
  }

  start(receiver: OverlayReceiver): Promise<void> {
    this.receiver = receiver;
    return Promise.resolve();
  }

  reaches(rank: number): boolean {
    return rank !== this.rank && this.#ranks[rank]?.receiver !== undefined;
  }

  send(rank: number, message: RequestMessage | ResponseMessage): void {
    const copy = { ...message, route: [...message.route] };
    setImmediate(() => this.#ranks[rank]?.receiver?.message(this.rank, copy));
  }

  backlog(): Backlog {
    return { messages: 0, bytes: 0 };
  }

  setFlow(rank: number, sender: string, flow: FlowControl): void {
    setImmediate(() => this.#ranks[rank]?.receiver?.setFlow(this.rank, sender, flow));
  }

  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    const first = this.#ranks[0];
    if (first === undefined) return;
    const seq = ++first.seq;
    setImmediate(() => {
      for (const rank of this.#ranks) rank.receiver?.event({ ...event, type: "event", seq });
      done({ ok: true, seq });
    });
  }

  close(): Promise<void> {
    this.receiver = undefined;
    for (const rank of this.#ranks) rank.receiver?.left(this.rank, "goodbye");
    return Promise.resolve();
  }
}
