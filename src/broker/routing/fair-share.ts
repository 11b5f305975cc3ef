import { type Channel, FLAG, type RequestMessage } from "../../messages/index.js";

/**
 * The number of requests that a sender may have routed at once outside of a slice, and the milliseconds until it may
 * have as many again.
 */
const BURST = 8;
const REFILL_MS = 0.1;

/** For how long a sender that has exceeded its burst counts as flooding. */
const FLOODING_MS = 20;

/** Bytes of payload that count as much as a request. */
const BYTES_A_REQUEST = 4096;

/**
 * The number of requests in one slice of a flooding sender: this many for each quiet millisecond, within these
 * bounds.
 */
const SLICE_REQUESTS = { perQuietMs: 4, min: 4, max: 512 } as const;

/** The broker counts as interactive until it has been quiet for this time. Pauses then separate slices. */
const INTERACTIVE_MS = 8;

/** An interactive request that has no answer yet prevents quiet for at most this long. */
const ANSWER_GRACE_MS = 20;

/** Without a pause, the threads of flooding senders would keep every core busy with the answers to a slice. */
const PAUSE_MS = 1;

interface Sender {
  /** Requests that it may have routed at once. */
  allowance: number;
  /** When the allowance was last refilled. */
  refilledAtMs: number;
  /** When it last exceeded its share; undefined if it does not flood. */
  floodedAtMs: number | undefined;
  /** Requests routed at once that have no response. */
  awaited: number;
  /** Delivers the requests that wait in its channel, as far as they are admitted. */
  readonly resume: () => void;
}

/** One sender's share of the broker's time. */
export interface Share {
  /** Call this when a response goes to the sender of a request that expects only one. */
  answered(): void;
}

interface Slice {
  readonly sender: Sender;
  /** The limit in requests. */
  readonly limit: number;
  spent: number;
}

/**
 * Divides the broker's time between the senders of requests. It routes the requests of a sender at once if the sender
 * awaits answers before it sends more. It serves flooding senders in slices, round robin.
 *
 * Slices are shortest while an interactive sender waits for an answer, and grow only with the quiet after it. Quiet
 * is the time since the last interactive request, or since the last answer to one. The next interactive request
 * therefore waits for a small part of the time for which its sender sent nothing. No delay of a message, not even by
 * a slow machine, makes slices longer. A flooding sender that is alone is hardly slowed down. This class never holds
 * responses, because there are only as many as there were requests.
 */
export class FairShare {
  /** The waiting senders, in the order of their last slices. */
  readonly #waiting = new Set<Sender>();
  /**
   * The current slice. It lasts longer than the requests that waited for it, until the broker routes another sender,
   * or another sender waits. A lone flooding sender does not have to stop.
   */
  #slice: Slice | undefined;
  /** Whether the requests that waited for the slice are being routed. */
  #isStarting = false;
  #isScheduled = false;
  /** When an interactive request was last routed or answered. */
  #lastInteractiveMs = -Infinity;
  /** Interactive requests of all senders that have no response. */
  #awaited = 0;

  /** Makes the requests of a channel compete with the requests of others. */
  add(channel: Channel): Share {
    let resume = (): void => undefined;
    const sender: Sender = {
      allowance: BURST,
      refilledAtMs: performance.now(),
      floodedAtMs: undefined,
      awaited: 0,
      resume: () => resume(),
    };
    resume = channel.admitRequests((request) => this.#admit(sender, request));
    channel.onClose(() => {
      this.#waiting.delete(sender);
      this.#awaited -= sender.awaited;
      sender.awaited = 0;
    });
    return { answered: () => this.#answered(sender) };
  }

  #answered(sender: Sender): void {
    if (sender.awaited === 0) return;
    sender.awaited--;
    this.#awaited--;
    this.#lastInteractiveMs = performance.now();
  }

  #admit(sender: Sender, request: RequestMessage): boolean {
    if (sender === this.#slice?.sender) {
      if (spend(this.#slice, request)) return true;
      sender.floodedAtMs = performance.now();
    } else if (!this.#isFlooding(sender) && hasAllowance(sender)) {
      this.#admitAtOnce(sender, request);
      return true;
    }
    this.#waiting.add(sender);
    this.#endSlice();
    this.#schedule(PAUSE_MS);
    return false;
  }

  #admitAtOnce(sender: Sender, { flags }: RequestMessage): void {
    sender.allowance--;
    this.#lastInteractiveMs = performance.now();
    this.#endSlice();
    if ((flags & (FLAG.noresponse | FLAG.streaming)) !== 0) return;
    sender.awaited++;
    this.#awaited++;
  }

  #isFlooding(sender: Sender): boolean {
    if (sender.floodedAtMs === undefined) return false;
    if (this.#waiting.has(sender) || performance.now() - sender.floodedAtMs < FLOODING_MS) return true;
    sender.floodedAtMs = undefined;
    return false;
  }

  #schedule(pauseMs: number): void {
    // A slice that starts schedules the next one itself.
    if (this.#isScheduled || this.#isStarting) return;
    this.#isScheduled = true;
    const next = (): void => {
      this.#isScheduled = false;
      this.#nextSlice();
    };
    if (this.#isInteractive()) setTimeout(next, Math.min(pauseMs, INTERACTIVE_MS));
    else setImmediate(next);
  }

  #nextSlice(): void {
    const [sender] = this.#waiting;
    if (sender === undefined) return;
    this.#waiting.delete(sender);
    const { perQuietMs, min, max } = SLICE_REQUESTS;
    const limit = Math.min(Math.max(this.#quietMs() * perQuietMs, min), max);
    const slice: Slice = { sender, limit, spent: 0 };
    this.#slice = slice;
    this.#isStarting = true;
    sender.resume();
    this.#isStarting = false;
    if (this.#waiting.size > 0 || this.#isInteractive()) this.#endSlice();
    if (slice.spent > BURST) sender.floodedAtMs = performance.now();
    // A slice that was exceeded, for example by one large request, delays all others in proportion.
    if (this.#waiting.size > 0) this.#schedule(Math.max(PAUSE_MS, (slice.spent / limit) * PAUSE_MS));
  }

  #endSlice(): void {
    if (!this.#isStarting) this.#slice = undefined;
  }

  #isInteractive(): boolean {
    return this.#quietMs() < INTERACTIVE_MS;
  }

  #quietMs(): number {
    const passedMs = performance.now() - this.#lastInteractiveMs;
    return this.#awaited > 0 ? Math.max(0, passedMs - ANSWER_GRACE_MS) : passedMs;
  }
}

/** Whether a request fits into the slice of its sender. The first request always fits. */
function spend(slice: Slice, { payload }: RequestMessage): boolean {
  if (slice.spent >= slice.limit) return false;
  slice.spent += 1 + (payload?.length ?? 0) / BYTES_A_REQUEST;
  return true;
}

function hasAllowance(sender: Sender): boolean {
  if (sender.allowance > 0) return true;
  const nowMs = performance.now();
  if (nowMs - sender.refilledAtMs < REFILL_MS) {
    sender.floodedAtMs = nowMs;
    return false;
  }
  sender.refilledAtMs = nowMs;
  sender.allowance = BURST;
  return true;
}
