import { type Handle, messageOf, requestError } from "sluice";
import { type Job, type JobEnd, type JobSpec, nowSeconds, type Progress } from "./job.js";
import type { Records } from "./records.js";

/** All jobs and where each stands. Every change is on record and announced as the event `job-manager.state`. */
export class JobTable {
  readonly #h: Handle;
  readonly #records: Records;
  readonly #keep: number;
  readonly #jobs: Map<number, Job>;
  #lastId: number;
  /** Ended jobs, the one that ended first at the front. */
  readonly #ended: Set<number>;
  /** Called with a job when it has ended. */
  readonly #waiters = new Map<number, Set<(job: Job) => void>>();

  /** @param keep how many ended jobs are remembered */
  constructor(
    h: Handle,
    records: Records,
    keep: number,
    { jobs, lastId }: Awaited<ReturnType<Records["load"]>>,
  ) {
    this.#h = h;
    this.#records = records;
    this.#keep = keep;
    this.#jobs = new Map(jobs.map((job) => [job.id, job]));
    this.#lastId = lastId;
    const ended = jobs.flatMap(({ id, progress }) =>
      progress.state === "INACTIVE" ? [{ id, at: progress.ended }] : [],
    );
    this.#ended = new Set(ended.sort((a, b) => a.at - b.at).map(({ id }) => id));
  }

  /** By id. */
  [Symbol.iterator](): IterableIterator<Job> {
    return this.#jobs.values();
  }

  find(id: number): Job | undefined {
    return this.#jobs.get(id);
  }

  /** @throws `ENOENT` */
  get(id: number): Job {
    const job = this.#jobs.get(id);
    if (job === undefined) throw requestError("ENOENT", `no job ${id}`);
    return job;
  }

  /** Takes a job on; resolves when its record is durable. */
  async add(spec: JobSpec): Promise<number> {
    const id = ++this.#lastId;
    const job: Job = { id, submitted: nowSeconds(), spec, progress: { state: "SCHED" } };
    try {
      await this.#records.save(job);
    } catch (error) {
      // No client knows of it: a later commit must not restore it.
      this.inBackground(this.#records.forget(id));
      throw error;
    }
    this.#jobs.set(id, job);
    this.#announce(job);
    return id;
  }

  /** A job is in its new state at once; resolves when that is on record. */
  async enter(id: number, progress: Progress): Promise<void> {
    const job: Job = { ...this.get(id), progress };
    this.#jobs.set(id, job);
    this.#announce(job);
    await this.#records.save(job);
  }

  /** A job is done; resolves when that is on record. */
  async end(id: number, end: JobEnd): Promise<void> {
    const { progress } = this.get(id);
    if (progress.state === "INACTIVE") return;
    const { placement, started } = progress.state === "RUN" ? progress : { placement: null, started: null };
    await this.enter(id, { state: "INACTIVE", end, placement, started, ended: nowSeconds() });
    const job = this.get(id);
    for (const wake of this.#waiters.get(id) ?? []) wake(job);
    this.#waiters.delete(id);
    this.#remember(id);
  }

  /** Resolves to the job when it has ended. */
  async ended(id: number, signal: AbortSignal): Promise<Job> {
    const job = this.get(id);
    if (job.progress.state === "INACTIVE") return job;
    return await new Promise((resolve) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters.add(resolve));
      signal.addEventListener("abort", () => waiters.delete(resolve));
    });
  }

  /** Resolves when all is on record. */
  idle(): Promise<void> {
    return this.#records.idle();
  }

  /** Logs work without a waiting client only if it fails. */
  inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#h.log("err", messageOf(error)));
  }

  /** Of ended jobs the oldest ones are forgotten. */
  #remember(id: number): void {
    this.#ended.add(id);
    for (const oldest of this.#ended) {
      if (this.#ended.size <= this.#keep) return;
      this.#ended.delete(oldest);
      this.#jobs.delete(oldest);
      this.inBackground(this.#records.forget(oldest));
    }
  }

  #announce({ id, progress }: Job): void {
    const result = progress.state === "INACTIVE" ? { result: progress.end.result } : {};
    this.inBackground(this.#h.publish(`${this.#h.name}.state`, { id, state: progress.state, ...result }));
  }
}
