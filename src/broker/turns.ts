import type { Channel, RequestMessage } from "../messages/index.js";

/** Requests that a sender may have heard at once without taking turns, and in how many milliseconds as many again. */
const BURST = 8;
const REFILL_MS = 0.1;

/** For how long a sender that has sent more than that counts as one that floods. */
const FLOODING_MS = 20;

/** Bytes of payload that count as much as a request. */
const BYTES_A_REQUEST = 4096;

/**
 * What those who flood may have heard in a turn: as many requests for each millisecond in which nobody else was heard, and
 * at least and at most this many.
 */
const SLICE = { perQuietMs: 4, least: 4, most: 256 } as const;

/** For how many milliseconds after somebody else was heard there are pauses between turns. */
const HURRY_MS = 8;

/** Without a pause, the threads of those who flood would keep every core busy with what a turn has given them. */
const PAUSE_MS = 1;

interface Sender {
  /** Requests that it may have heard at once. */
  allowance: number;
  /** When it was last given some. */
  refilledAtMs: number;
  /** When it was last seen to flood; undefined if it does not. */
  floodedAtMs: number | undefined;
  readonly goOn: () => void;
}

interface Turn {
  readonly sender: Sender;
  /** What it may have heard, in requests. */
  readonly slice: number;
  /** What it has had. */
  spent: number;
}

/**
 * Shares the broker's time between those who send requests. Whoever awaits answers before it asks on is heard at once.
 * Whoever floods takes turns with others that do, the one whose last turn is the longest ago first.
 *
 * A turn is the shorter the more recently anybody was heard who does not flood, and gets longer only by a part of the time
 * since. What such a one sends therefore waits for a small part of the time that it has taken itself, whatever that is, and
 * a turn that was too long after all cannot lead to one that is longer still. One that floods and is alone is hardly
 * slowed down. Responses are not concerned: there are as many as there were requests.
 */
export class Turns {
  /** In the order of their last turns. */
  readonly #waiting = new Set<Sender>();
  #turn: Turn | undefined;
  #isScheduled = false;
  /** When somebody was last heard who does not flood. */
  #heardLightMs = -Infinity;

  /** Has the requests of a channel take turns with those of others. */
  add(channel: Channel): void {
    let goOn = (): void => undefined;
    const sender: Sender = {
      allowance: BURST,
      refilledAtMs: performance.now(),
      floodedAtMs: undefined,
      goOn: () => goOn(),
    };
    goOn = channel.paceRequests((request) => this.#admit(sender, request));
    channel.onClose(() => this.#waiting.delete(sender));
  }

  #admit(sender: Sender, request: RequestMessage): boolean {
    if (sender === this.#turn?.sender) {
      if (take(this.#turn, request)) return true;
      sender.floodedAtMs = performance.now();
    } else if (!this.#isFlooding(sender) && hasAllowance(sender)) {
      sender.allowance--;
      this.#heardLightMs = performance.now();
      return true;
    }
    this.#waiting.add(sender);
    this.#schedule(PAUSE_MS);
    return false;
  }

  #isFlooding(sender: Sender): boolean {
    if (sender.floodedAtMs === undefined) return false;
    if (this.#waiting.has(sender) || performance.now() - sender.floodedAtMs < FLOODING_MS) return true;
    sender.floodedAtMs = undefined;
    return false;
  }

  #schedule(pauseMs: number): void {
    // The turn that is on will see to the next one.
    if (this.#isScheduled || this.#turn !== undefined) return;
    this.#isScheduled = true;
    const next = (): void => {
      this.#isScheduled = false;
      this.#nextTurn();
    };
    if (this.#quietMs() < HURRY_MS) setTimeout(next, Math.min(pauseMs, HURRY_MS));
    else setImmediate(next);
  }

  #nextTurn(): void {
    const [sender] = this.#waiting;
    if (sender === undefined) return;
    this.#waiting.delete(sender);
    const slice = Math.min(Math.max(this.#quietMs() * SLICE.perQuietMs, SLICE.least), SLICE.most);
    const turn: Turn = { sender, slice, spent: 0 };
    this.#turn = turn;
    sender.goOn();
    this.#turn = undefined;
    if (turn.spent > BURST) sender.floodedAtMs = performance.now();
    // Whoever had more than its slice, as one large request may be, has all of them wait for it.
    if (this.#waiting.size > 0) this.#schedule(Math.max(PAUSE_MS, (turn.spent / slice) * PAUSE_MS));
  }

  #quietMs(): number {
    return performance.now() - this.#heardLightMs;
  }
}

/** Whether a request may be heard in the turn of its sender. The first may always. */
function take(turn: Turn, { payload }: RequestMessage): boolean {
  if (turn.spent >= turn.slice) return false;
  turn.spent += 1 + (payload?.length ?? 0) / BYTES_A_REQUEST;
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
