import { messageOf, requestError } from "../errors/index.js";
import { type Handle, type JsonValue, type Payload, requestFields } from "../messages/index.js";
import { keyValues } from "./arguments/key-values.js";
import { EventListeners } from "./cron/event-listeners.js";
import { Job } from "./cron/job.js";
import { arm, parseSchedule, type Schedule, SCHEDULE_FIELDS } from "./cron/schedule.js";

/**
 * Runs shell commands at an interval, at an event, or by a line of a crontab. Requests: docs/services.md.
 *
 * Arguments: `sync=TOPIC`. Commands that are due by time then wait for the next event of that topic. So they
 * disturb the machine at one moment rather than at many. Commands that are due by an event run at once.
 */
export async function modMain(h: Handle, ...args: string[]): Promise<void> {
  const { sync } = keyValues(args, ["sync"]);
  const crontab = new Crontab(h, sync);
  await crontab.start();
  h.handle("create", async (request) => {
    await crontab.create(request.payload);
    h.respond(request);
  });
  h.handle("delete", async (request) => {
    await crontab.delete(requestFields(request.payload, { name: "string" }).name);
    h.respond(request);
  });
  h.handle("list", () => ({ entries: crontab.list() }));
  await h.run();
  await crontab.stop();
}

interface Entry {
  readonly name: string;
  readonly schedule: Schedule;
  readonly command: string;
  /** Set while the command runs. It never runs twice at the same time. */
  job: Job | undefined;
  runs: number;
  failures: number;
  /** How many times it was due while it still ran. */
  skipped: number;
  disarm: () => Promise<void>;
}

class Crontab {
  readonly #h: Handle;
  readonly #sync: string | undefined;
  readonly #events: EventListeners;
  readonly #entries = new Map<string, Entry>();
  /** Entries that are due and wait for their event. */
  readonly #due = new Set<Entry>();
  readonly #jobs = new Set<Job>();

  constructor(h: Handle, sync: string | undefined) {
    this.#h = h;
    this.#sync = sync;
    this.#events = new EventListeners(h);
  }

  async start(): Promise<void> {
    if (this.#sync === undefined) return;
    await this.#events.on(this.#sync, () => {
      const due = [...this.#due];
      this.#due.clear();
      for (const entry of due) this.#run(entry);
    });
  }

  /** Ends the running jobs. */
  async stop(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => entry.disarm()));
    await Promise.all([...this.#jobs].map((job) => job.kill()));
  }

  async create(payload: Payload): Promise<void> {
    const { name, command, ...times } = requestFields(payload, {
      name: "string",
      command: "string",
      ...SCHEDULE_FIELDS,
    });
    if (name === "" || command.trim() === "")
      throw requestError("EINVAL", "name and command must not be empty");
    const schedule = parseSchedule(times);
    if (this.#entries.has(name)) throw requestError("EEXIST", `entry '${name}' already exists`);
    const entry: Entry = {
      name,
      schedule,
      command,
      job: undefined,
      runs: 0,
      failures: 0,
      skipped: 0,
      disarm: () => Promise.resolve(),
    };
    this.#entries.set(name, entry);
    try {
      entry.disarm = await arm(schedule, this.#events, () => this.#becomesDue(entry));
    } catch (error) {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      throw error;
    }
    // A request may have deleted the entry meanwhile.
    if (this.#entries.get(name) !== entry) await entry.disarm();
  }

  /** The command does not run again. If it runs now, it continues to its end. */
  async delete(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw requestError("ENOENT", `no such entry '${name}'`);
    this.#entries.delete(name);
    this.#due.delete(entry);
    await entry.disarm();
  }

  list(): JsonValue[] {
    return [...this.#entries.values()].map((entry) => ({
      name: entry.name,
      ...scheduleFields(entry.schedule),
      command: entry.command,
      runs: entry.runs,
      failures: entry.failures,
      skipped: entry.skipped,
      running: entry.job !== undefined,
    }));
  }

  #becomesDue(entry: Entry): void {
    if (this.#sync === undefined || entry.schedule.kind === "event") this.#run(entry);
    else this.#due.add(entry);
  }

  #run(entry: Entry): void {
    if (entry.job !== undefined) {
      entry.skipped++;
      this.#h.log("info", `${entry.name}: skipped a run, because the previous run has not ended`);
      return;
    }
    const job = this.#spawn(entry);
    if (job === undefined) return;
    entry.job = job;
    entry.runs++;
    this.#jobs.add(job);
    void job.ended.then((failure) => {
      entry.job = undefined;
      this.#jobs.delete(job);
      if (failure !== undefined) this.#failed(entry, failure);
    });
  }

  /** Undefined when the system refuses another process. */
  #spawn(entry: Entry): Job | undefined {
    try {
      return new Job(entry.command, {
        line: (stream, text) => {
          this.#h.log(stream === "stdout" ? "info" : "warning", `${entry.name}: ${text}`);
        },
      });
    } catch (error) {
      this.#failed(entry, messageOf(error));
      return undefined;
    }
  }

  #failed(entry: Entry, why: string): void {
    entry.failures++;
    this.#h.log("err", `${entry.name}: ${why}`);
  }
}

function scheduleFields(schedule: Schedule): Readonly<Record<string, JsonValue>> {
  switch (schedule.kind) {
    case "interval":
      return { interval: schedule.seconds };
    case "event":
      return { event: schedule.topic };
    case "crontab":
      return { crontab: schedule.pattern };
  }
}
