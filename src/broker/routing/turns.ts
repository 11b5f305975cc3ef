import { type Channel, FLAG, type RequestMessage } from "../../messages/index.js";

/** Requests that a sender may have heard at once without taking turns, and in how many milliseconds as many again. */
const BURST = 8;
const REFILL_MS = 0.1;

/** For how long a sender that has sent more than that counts as one that floods. */
const FLOODING_MS = 20;

/** Bytes of payload that count as much as a request. */
const BYTES_A_REQUEST = 4096;

/**
 * What those who flood may have heard in a turn: as many requests for each millisecond of quiet, at least and at most this
 * many.
 */
const SLICE = { perQuietMs: 4, least: 4, most: 512 } as const;

/** For how many milliseconds of quiet there are pauses between turns. */
const HURRY_MS = 8;

/** Until so long after its last request, there is no quiet while one that does not flood waits for an answer. */
const PATIENCE_MS = 20;

/** Without a pause, the threads of those who flood would keep every core busy with what a turn has given them. */
const PAUSE_MS = 1;

interface Sender {
  /** Requests that it may have heard at once. */
  allowance: number;
  /** When it was last given some. */
  refilledAtMs: number;
  /** When it was last seen to flood; undefined if it does not. */
  floodedAtMs: number | undefined;
  /** Requests heard at once that have no response. */
  awaited: number;
  readonly goOn: () => void;
}

/** Told of what is sent to a sender of requests. */
export interface Pace {
  /** It is sent the response to a request that has only one. */
  answered(): void;
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
 * Turns are the shortest while anybody who does not flood waits for an answer, and get longer only with the quiet after it:
 * the time since such a one was last heard or answered. What it sends next therefore waits for a small part of the time
 * that it has let pass itself, and whatever delays it on its way, the machine as well, cannot make turns longer. One that
 * floods and is alone is hardly slowed down. Responses are not held: there are as many as there were requests.
 */
export class Turns {
  /** In the order of their last turns. */
  readonly #waiting = new Set<Sender>();
  /** Lasts beyond what has waited for it, until somebody else is heard or waits: one that floods alone is not stopped. */
  #turn: Turn | undefined;
  /** Whether those that have waited for the turn are being heard. */
  #isBeginning = false;
  #isScheduled = false;
  /** When somebody was last heard or answered who does not flood. */
  #lastLightMs = -Infinity;
  /** Requests of all of those that have no response. */
  #awaited = 0;

  /** Has the requests of a channel take turns with those of others. */
  add(channel: Channel): Pace {
    let goOn = (): void => undefined;
    const sender: Sender = {
      allowance: BURST,
      refilledAtMs: performance.now(),
      floodedAtMs: undefined,
      awaited: 0,
      goOn: () => goOn(),
    };
    goOn = channel.paceRequests((request) => this.#admit(sender, request));
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
    this.#lastLightMs = performance.now();
  }

  #admit(sender: Sender, request: RequestMessage): boolean {
    if (sender === this.#turn?.sender) {
      if (take(this.#turn, request)) return true;
      sender.floodedAtMs = performance.now();
    } else if (!this.#isFlooding(sender) && hasAllowance(sender)) {
      this.#hear(sender, request);
      return true;
    }
    this.#waiting.add(sender);
    this.#endTurn();
    this.#schedule(PAUSE_MS);
    return false;
  }

  #hear(sender: Sender, { flags }: RequestMessage): void {
    sender.allowance--;
    this.#lastLightMs = performance.now();
    this.#endTurn();
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
    // The turn that begins will see to the next one.
    if (this.#isScheduled || this.#isBeginning) return;
    this.#isScheduled = true;
    const next = (): void => {
      this.#isScheduled = false;
      this.#nextTurn();
    };
    if (this.#isHurrying()) setTimeout(next, Math.min(pauseMs, HURRY_MS));
    else setImmediate(next);
  }

  #nextTurn(): void {
    const [sender] = this.#waiting;
    if (sender === undefined) return;
    this.#waiting.delete(sender);
    const slice = Math.min(Math.max(this.#quietMs() * SLICE.perQuietMs, SLICE.least), SLICE.most);
    const turn: Turn = { sender, slice, spent: 0 };
    this.#turn = turn;
    this.#isBeginning = true;
    sender.goOn();
    this.#isBeginning = false;
    if (this.#waiting.size > 0 || this.#isHurrying()) this.#endTurn();
    if (turn.spent > BURST) sender.floodedAtMs = performance.now();
    // Whoever had more than its slice, as one large request may be, has all of them wait for it.
    if (this.#waiting.size > 0) this.#schedule(Math.max(PAUSE_MS, (turn.spent / slice) * PAUSE_MS));
  }

  #endTurn(): void {
    if (!this.#isBeginning) this.#turn = undefined;
  }

  #isHurrying(): boolean {
    return this.#quietMs() < HURRY_MS;
  }

  #quietMs(): number {
    const passedMs = performance.now() - this.#lastLightMs;
    return this.#awaited > 0 ? Math.max(0, passedMs - PATIENCE_MS) : passedMs;
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
