import { fields, type Handle, isErrno, type JsonValue, messageOf } from "sluice";
import type { Job } from "./job.js";
import { parseJob } from "./parse-job.js";

const DIRECTORY = "job";
/** Beside the records, so that the id of a job that is forgotten is not given to another. */
const LAST_ID = `${DIRECTORY}.last-id`;
/** Records that are read at the same time. */
const READ_AT_ONCE = 64;

/** The records of jobs in the KVS, `job.ID` each. Records that are saved together are committed together. */
export class Records {
  readonly #h: Handle;
  /** Id → the job, or undefined to forget it. */
  readonly #unsaved = new Map<number, Job | undefined>();
  #lastId = 0;
  #writing: Promise<void> | undefined;

  constructor(h: Handle) {
    this.#h = h;
  }

  /** All jobs, by id, and the last id that was given to one. */
  async load(): Promise<{ readonly jobs: readonly Job[]; readonly lastId: number }> {
    const names = await this.#names();
    const ids = names.filter((name) => /^\d+$/.test(name)).map(Number);
    ids.sort((a, b) => a - b);
    const jobs: Job[] = [];
    for (let at = 0; at < ids.length; at += READ_AT_ONCE) {
      const read = await Promise.all(ids.slice(at, at + READ_AT_ONCE).map((id) => this.#read(id)));
      jobs.push(...read.filter((job) => job !== undefined));
    }
    const { value } = fields(await this.#h.rpc("kvs.get", { key: LAST_ID, optional: true }), {
      value: "json?",
    });
    this.#lastId = Math.max(typeof value === "number" ? value : 0, ids.at(-1) ?? 0);
    return { jobs, lastId: this.#lastId };
  }

  /** Resolves when the record is durable. */
  save(job: Job): Promise<void> {
    return this.#put(job.id, job);
  }

  /** Resolves when the record has been removed. */
  forget(id: number): Promise<void> {
    return this.#put(id, undefined);
  }

  /** Resolves when nothing waits to be written. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #put(id: number, job: Job | undefined): Promise<void> {
    this.#unsaved.set(id, job);
    this.#lastId = Math.max(this.#lastId, id);
    // A commit that is under way may have taken an older state: the next one has this one.
    const next = (this.#writing ?? Promise.resolve()).then(() => this.#commit());
    const settled = next
      .catch(() => undefined)
      .then(() => {
        if (this.#writing === settled) this.#writing = undefined;
      });
    this.#writing = settled;
    return next;
  }

  async #commit(): Promise<void> {
    if (this.#unsaved.size === 0) return;
    const ops = Array.from(this.#unsaved, ([id, job]): JsonValue => {
      const key = `${DIRECTORY}.${id}`;
      return job === undefined ? { key, unlink: true } : { key, value: job };
    });
    ops.push({ key: LAST_ID, value: this.#lastId });
    const taken = [...this.#unsaved];
    this.#unsaved.clear();
    try {
      await this.#h.rpc("kvs.commit", { ops });
    } catch (error) {
      // The next commit tries again, with what has become of them meanwhile.
      for (const [id, job] of taken) if (!this.#unsaved.has(id)) this.#unsaved.set(id, job);
      throw error;
    }
  }

  async #names(): Promise<string[]> {
    try {
      const { entries } = fields(await this.#h.rpc("kvs.dir", { key: DIRECTORY }), { entries: "array" });
      return entries.map((entry) => fields(entry, { name: "string" }).name);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  }

  /** Undefined, and said in the log, for a record that is none. */
  async #read(id: number): Promise<Job | undefined> {
    const key = `${DIRECTORY}.${id}`;
    const { value } = fields(await this.#h.rpc("kvs.get", { key }), { value: "json" });
    try {
      return { ...parseJob(value), id };
    } catch (error) {
      this.#h.log("err", `${key} is no record of a job: ${messageOf(error)}`);
      return undefined;
    }
  }
}
