import { type Handle, isErrno, type JsonValue, messageOf } from "sluice";
import { isAway } from "./away.js";
import { type CommandEnd, type JobEnd, neverRan, nowSeconds, type Placement, placementOf } from "./job.js";
import type { JobTable } from "./job-table.js";

/** Brings each job from the queue to its cores and to its end, by way of a scheduler and of job-exec. */
export class Dispatcher {
  readonly #h: Handle;
  readonly #jobs: JobTable;
  /** Schedulers that have said hello so far; 0 while none has. */
  #schedulers = 0;
  /** Jobs for which a scheduler has been asked and has not answered. */
  readonly #asked = new Set<number>();
  /** Jobs whose start job-exec has not confirmed. */
  readonly #starting = new Map<number, Promise<void>>();
  /** Jobs that run and are to be cancelled. */
  readonly #cancelled = new Set<number>();
  /** Ranks with a job-exec. */
  readonly #executors = new Set<number>();
  #isStopping = false;

  constructor(h: Handle, jobs: JobTable) {
    this.#h = h;
    this.#jobs = jobs;
  }

  /** Asks the scheduler for cores; does nothing while there is none, or it has been asked already. */
  allocate(id: number): void {
    if (this.#schedulers === 0 || this.#asked.has(id)) return;
    this.#asked.add(id);
    this.#jobs.inBackground(this.#ask(id));
  }

  async #ask(id: number): Promise<void> {
    const { cores, duration, urgency } = this.#jobs.get(id).spec;
    const scheduler = this.#schedulers;
    try {
      const placement = placementOf(await this.#h.rpc("sched.alloc", { id, cores, duration, urgency }));
      this.#asked.delete(id);
      if (this.#isWaiting(id)) this.#start(id, placement);
    } catch (error) {
      this.#asked.delete(id);
      if (!this.#isWaiting(id)) return;
      if (!isAway(error)) await this.#end(id, neverRan("refused", error));
      // A new scheduler may have said hello while the request was with the old one.
      else if (scheduler !== this.#schedulers) this.allocate(id);
    }
  }

  /** Ends a job that has not ended. */
  async cancel(id: number): Promise<void> {
    const { progress } = this.#jobs.get(id);
    if (progress.state !== "RUN") {
      await this.#end(id, { result: "CANCELED", status: 1, note: "cancelled before it ran" });
      return;
    }
    this.#cancelled.add(id);
    // One that is just being started is killed as soon as that is done.
    if (!this.#starting.has(id)) await this.#kill(id, progress.placement.rank);
  }

  /** A scheduler has started: it gets the running jobs, and a request for each waiting job. */
  schedulerHello(): JsonValue {
    this.#schedulers++;
    const running: JsonValue[] = [];
    for (const { id, spec, progress } of this.#jobs) {
      if (progress.state === "SCHED") this.allocate(id);
      if (progress.state !== "RUN") continue;
      const endsAt = spec.duration === null ? null : progress.started + spec.duration;
      running.push({ id, ...progress.placement, endsAt });
    }
    return { ranks: [...this.#executors], running };
  }

  /** A job-exec has started, and reports its jobs. A job that should run and does not is lost. */
  async execHello(
    rank: number,
    running: readonly number[],
    ended: readonly CommandEnd[],
  ): Promise<JsonValue> {
    await Promise.all(ended.map((end) => this.finish(end)));
    const known = new Set(running);
    await this.#loseJobs(rank, (id) => !known.has(id));
    if (!this.#executors.has(rank)) {
      this.#executors.add(rank);
      void this.#watchExecutor(rank);
      this.#tellScheduler("sched.ranks", { ranks: [...this.#executors] });
    }
    const strays = running.filter((id) => this.#jobs.find(id)?.progress.state !== "RUN");
    return { kill: strays };
  }

  /** The command of a job has ended. Resolves when that is on record. */
  async finish({ id, status, isTimeout, note }: CommandEnd): Promise<void> {
    if (this.#jobs.find(id)?.progress.state !== "RUN") return;
    const own = status === 0 ? "COMPLETED" : "FAILED";
    const result = this.#cancelled.has(id) ? "CANCELED" : isTimeout ? "TIMEOUT" : own;
    await this.#end(id, { result, status, note });
  }

  /** Resolves when nothing is under way, so that whoever comes next finds all of it on record. */
  async settle(): Promise<void> {
    this.#isStopping = true;
    await Promise.allSettled(this.#starting.values());
    await this.#jobs.idle();
  }

  #isWaiting(id: number): boolean {
    return !this.#isStopping && this.#jobs.find(id)?.progress.state === "SCHED";
  }

  #start(id: number, placement: Placement): void {
    const started = this.#begin(id, placement).finally(() => this.#starting.delete(id));
    this.#starting.set(id, started);
    this.#jobs.inBackground(started);
  }

  async #begin(id: number, placement: Placement): Promise<void> {
    const { rank, cores } = placement;
    // On record first: a command must never run twice.
    await this.#jobs.enter(id, { state: "RUN", placement, started: nowSeconds() });
    const { command, cwd, env, duration } = this.#jobs.get(id).spec;
    try {
      await this.#h.rpc("job-exec.start", { id, command, cwd, env, duration, cores }, { rank });
    } catch (error) {
      if (!isAway(error)) {
        await this.#end(id, neverRan("cannot start", error));
        return;
      }
      this.#loseExecutor(rank);
      await this.#requeue(id);
      return;
    }
    if (this.#cancelled.has(id)) await this.#kill(id, rank);
  }

  /** Back to the queue, with nothing done; a cancelled one ends there. */
  async #requeue(id: number): Promise<void> {
    this.#tellScheduler("sched.free", { id });
    await this.#jobs.enter(id, { state: "SCHED" });
    if (this.#cancelled.has(id)) await this.cancel(id);
    else if (!this.#isStopping) this.allocate(id);
  }

  async #kill(id: number, rank: number): Promise<void> {
    try {
      await this.#h.rpc("job-exec.kill", { id }, { rank });
    } catch (error) {
      // A job-exec that comes back learns that the job is unwanted.
      if (isAway(error)) await this.#end(id, { result: "CANCELED", status: 1, note: "job-exec is away" });
      // It has ended by itself, which is on its way to us.
      else if (!isErrno(error, "ENOENT")) throw error;
    }
  }

  async #end(id: number, end: JobEnd): Promise<void> {
    this.#cancelled.delete(id);
    this.#tellScheduler("sched.free", { id });
    await this.#jobs.end(id, end);
  }

  /** The stream has no answers: it ends when the job-exec of a rank goes away, for any reason. */
  async #watchExecutor(rank: number): Promise<void> {
    let cause = "it has ended";
    try {
      const answers = this.#h.rpcStream("job-exec.monitor", undefined, { rank });
      while ((await answers.next()).done !== true) continue;
    } catch (error) {
      cause = messageOf(error);
    }
    if (this.#isStopping) return;
    this.#h.log("info", `job-exec of rank ${rank} has gone: ${cause}`);
    this.#loseExecutor(rank);
    this.#jobs.inBackground(this.#loseJobs(rank, () => true));
  }

  #loseExecutor(rank: number): void {
    if (this.#executors.delete(rank)) this.#tellScheduler("sched.ranks", { ranks: [...this.#executors] });
  }

  /** Ends those jobs of a rank that its job-exec does not have, and is not just getting. */
  async #loseJobs(rank: number, isLost: (id: number) => boolean): Promise<void> {
    const end: JobEnd = { result: "FAILED", status: 1, note: "job-exec went away while it ran" };
    const lost = [...this.#jobs].filter(
      ({ id, progress }) =>
        progress.state === "RUN" && progress.placement.rank === rank && !this.#starting.has(id) && isLost(id),
    );
    await Promise.all(lost.map(({ id }) => this.#end(id, end)));
  }

  /** One that is away asks for all of it when it is back. */
  #tellScheduler(topic: string, payload: JsonValue): void {
    if (this.#schedulers > 0) this.#h.notify(topic, payload);
  }
}
