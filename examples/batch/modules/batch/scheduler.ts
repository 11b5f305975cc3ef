import { constants } from "node:os";
import {
  fields,
  type Handle,
  type JsonValue,
  messageOf,
  type Payload,
  type Request,
  requestError,
} from "sluice";
import { isAway } from "./away.js";
import type { Pending, Policy } from "./policy.js";
import { type Host, Pool, type Running } from "./pool.js";

/** The queue and the cores of a scheduler. It requests missing data from job-manager. */
export class Scheduler {
  readonly #h: Handle;
  readonly #coresEach: number | undefined;
  readonly #policy: Policy;
  /** In the order of the policy. Some of them may wait no longer: see {@link #isQueueStale}. */
  #queue: Pending[] = [];
  #isQueueStale = false;
  readonly #waiting = new Map<number, { readonly job: Pending; readonly request: Request }>();
  readonly #running = new Map<number, Running>();
  /** Ranks that run jobs, as job-manager said last. */
  #ranks: ReadonlySet<number> = new Set();
  /** All that resource knew of when it was last asked. */
  #known: readonly Host[] = [];
  /** Those that run jobs. */
  #hosts: readonly Host[] = [];
  #largestHost = Infinity;
  /** Freed while the answer of job-manager was on its way, which may not know yet. */
  #freedMeanwhile: Set<number> | undefined = new Set();
  #hellos = 0;
  #isPassDue = false;

  constructor(h: Handle, coresEach: number | undefined, policy: Policy) {
    this.#h = h;
    this.#coresEach = coresEach;
    this.#policy = policy;
  }

  /** Gets the running jobs, and reports that it accepts requests from now on. */
  async hello(): Promise<void> {
    const hello = ++this.#hellos;
    this.#freedMeanwhile = new Set();
    let answer;
    try {
      answer = await this.#h.rpc("job-manager.sched-hello");
    } catch (error) {
      if (isAway(error)) return;
      throw error;
    }
    await this.#useRanks(ranksOf(answer));
    if (hello !== this.#hellos) return;
    this.#running.clear();
    for (const item of fields(answer, { running: "array" }).running) {
      const running = runningOf(item);
      if (!this.#freedMeanwhile.has(running.id)) this.#running.set(running.id, running);
    }
    this.#freedMeanwhile = undefined;
    this.#passSoon();
  }

  /** The request is answered when the job may start. */
  enqueue(request: Request): undefined {
    const { id, ...asked } = fields(request.payload, {
      id: "integer",
      cores: "integer",
      duration: "number?",
      urgency: "integer",
    });
    const { duration = Infinity, ...rest } = asked;
    const job: Pending = { id, durationMs: duration * 1000, ...rest };
    this.#dequeue(id);
    this.#waiting.set(id, { job, request });
    insert(this.#queue, job, this.#policy.compare);
    // Without its request, a job no longer waits: job-manager has ended, and will request again.
    request.signal.addEventListener("abort", () => {
      if (this.#waiting.get(id)?.job === job) this.#dequeue(id);
    });
    this.#passSoon();
    return undefined;
  }

  free(id: number): void {
    this.#freedMeanwhile?.add(id);
    this.#running.delete(id);
    const waiting = this.#waiting.get(id);
    this.#dequeue(id);
    if (waiting !== undefined) this.#h.respondError(waiting.request, constants.errno.ECANCELED);
    this.#passSoon();
  }

  /** From now on, jobs are placed on these ranks. */
  async useRanks(ranks: readonly number[]): Promise<void> {
    await this.#useRanks(ranks);
    this.#passSoon();
  }

  /** @throws `EINVAL` if a job of so many cores can never run here */
  check(cores: number): void {
    if (cores <= this.#largestHost) return;
    throw requestError(
      "EINVAL",
      `unsatisfiable request: ${cores} cores, and no host has more than ${this.#largestHost}`,
    );
  }

  async #useRanks(ranks: readonly number[]): Promise<void> {
    this.#ranks = new Set(ranks);
    // Lost cores must not be assigned before the answers of the other ranks.
    this.#selectHosts();
    try {
      this.#known = hostsOf(await this.#h.rpc("resource.status"), this.#coresEach);
    } catch (error) {
      // It is being replaced, or a rank is slow: what was known still holds.
      if (this.#known.length === 0) throw error;
      this.#h.log("warning", `resource.status: ${messageOf(error)}`);
    }
    this.#selectHosts();
  }

  #selectHosts(): void {
    this.#hosts = this.#known.filter(({ rank }) => this.#ranks.has(rank));
    const counted = this.#hosts.length > 0 ? this.#hosts : this.#known;
    this.#largestHost = counted.length === 0 ? Infinity : Math.max(...counted.map(({ cores }) => cores));
  }

  /** One pass for all that comes in one turn of the event loop. */
  #passSoon(): void {
    if (this.#isPassDue) return;
    this.#isPassDue = true;
    setImmediate(() => {
      this.#isPassDue = false;
      if (this.#freedMeanwhile === undefined) this.#pass();
    });
  }

  #pass(): void {
    if (this.#isQueueStale) this.#queue = this.#queue.filter((job) => this.#waiting.get(job.id)?.job === job);
    this.#isQueueStale = false;
    if (this.#queue.length === 0) return;
    const running = [...this.#running.values()];
    const nowMs = Date.now();
    const pool = new Pool(this.#hosts, running);
    for (const { id, placement } of this.#policy.starts(this.#queue, pool, running, nowMs)) {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) continue;
      this.#running.set(id, { id, ...placement, endsAtMs: nowMs + waiting.job.durationMs });
      this.#dequeue(id);
      this.#h.respond(waiting.request, placement);
    }
  }

  /** Takes it out of the queue at the next pass: one by one would cost as much as all at once. */
  #dequeue(id: number): void {
    if (this.#waiting.delete(id)) this.#isQueueStale = true;
  }
}

/** Puts an item behind all that come before it or are its equals. */
function insert<T>(sorted: T[], item: T, compare: (a: T, b: T) => number): void {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const other = sorted[middle];
    if (other !== undefined && compare(other, item) <= 0) from = middle + 1;
    else to = middle;
  }
  sorted.splice(from, 0, item);
}

function hostsOf(answer: Payload, coresEach: number | undefined): Host[] {
  return fields(answer, { hosts: "array" }).hosts.map((item) => {
    const { rank, cores } = fields(item, { rank: "integer", cores: "integer" });
    return { rank, cores: coresEach ?? cores };
  });
}

/** The ranks that job-manager names. */
export function ranksOf(payload: Payload): number[] {
  return fields(payload, { ranks: "array" }).ranks.map(Number);
}

function runningOf(item: JsonValue): Running {
  const { cores, endsAt, ...rest } = fields(item, {
    id: "integer",
    rank: "integer",
    cores: "array",
    endsAt: "number?",
  });
  return { ...rest, cores: cores.map(Number), endsAtMs: endsAt === undefined ? Infinity : endsAt * 1000 };
}
