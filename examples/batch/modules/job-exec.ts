import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fields, type Handle, messageOf, type Payload, requestError } from "sluice";
import { isAway } from "./batch/away.js";
import { type CommandEnd, idOf } from "./batch/job.js";
import { readOutput, RunningCommand } from "./batch/command.js";

/**
 * Runs the commands of jobs on this rank, each in a process group of its own that never outlives it, its output in the
 * files `jobs/ID.out` and `jobs/ID.err` below the attribute `statedir`, or without it `rundir`. When this module goes, so
 * do the commands; when job-manager goes, they run on, and it hears of them when it is back.
 */
export async function modMain(h: Handle): Promise<void> {
  const directory = join((await h.attr("statedir")) ?? (await h.attr("rundir")) ?? "", "jobs");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const commands = new Commands(h, directory, (await h.attr("local-uri")) ?? "");
  h.handle("start", async (request) => {
    await commands.start(request.payload);
    h.respond(request);
  });
  h.handle("kill", (request) => {
    commands.kill(idOf(request.payload));
    h.respond(request);
  });
  h.handle("output", (request) => {
    const { id, stream, offset } = fields(request.payload, {
      id: "integer",
      stream: "string",
      offset: "integer",
    });
    if (stream !== "out" && stream !== "err") throw requestError("EINVAL", "stream is 'out' or 'err'");
    return readOutput(join(directory, `${id}.${stream}`), offset);
  });
  // A stream without answers: its end shows job-manager that this module has ended. A module that ends does not wait for it.
  h.handle("monitor", () => undefined);
  await meet(h, commands);
  await h.run();
  await commands.stop();
}

/** Says hello now, whenever job-manager starts, and after missed events: it may have started meanwhile. */
async function meet(h: Handle, commands: Commands): Promise<void> {
  const failed = (error: unknown): void => h.stop(error instanceof Error ? error : new Error(String(error)));
  const onEnd = (): void => void meet(h, commands).catch(failed);
  await h.subscribe("job-manager.online", () => void commands.hello(), { onEnd });
  await commands.hello();
}

class Commands {
  readonly #h: Handle;
  readonly #directory: string;
  /** Of this rank. */
  readonly #uri: string;
  readonly #running = new Map<number, RunningCommand>();
  /** Those that job-manager has not confirmed. */
  readonly #ended = new Map<number, CommandEnd>();
  /** Settles when the end of each was reported, or could not be. */
  readonly #reports = new Set<Promise<void>>();

  constructor(h: Handle, directory: string, uri: string) {
    this.#h = h;
    this.#directory = directory;
    this.#uri = uri;
  }

  /** @throws `EEXIST`, or the system's error if the command cannot be started */
  async start(payload: Payload): Promise<void> {
    const { id, cores, env, duration, ...order } = fields(payload, {
      id: "integer",
      command: "string[]",
      cwd: "string",
      env: "object",
      duration: "number?",
      cores: "array",
    });
    if (this.#running.has(id)) throw requestError("EEXIST", `job ${id} runs already`);
    const running = await RunningCommand.start({
      ...order,
      // That of the submission may be another rank's, or of an instance that is no more.
      env: {
        ...env,
        SLUICE_URI: this.#uri,
        SLUICE_JOB_ID: `${id}`,
        SLUICE_JOB_CORES: cores.map(Number).join(","),
      },
      durationMs: duration === undefined ? Infinity : duration * 1000,
      output: join(this.#directory, `${id}`),
    });
    this.#running.set(id, running);
    const report = running.ended.then(async (end) => {
      this.#running.delete(id);
      this.#ended.set(id, { id, ...end });
      await this.#report({ id, ...end });
      this.#reports.delete(report);
    });
    this.#reports.add(report);
  }

  /** @throws `ENOENT` */
  kill(id: number): void {
    const command = this.#running.get(id);
    if (command === undefined) throw requestError("ENOENT", `job ${id} does not run here`);
    command.kill();
  }

  /** Tells job-manager what runs, and what has ended that it may not know of. */
  async hello(): Promise<void> {
    const ended = [...this.#ended.values()];
    const state = { rank: this.#h.rank, running: [...this.#running.keys()], ended };
    try {
      const { kill } = fields(await this.#h.rpc("job-manager.exec-hello", state), { kill: "array" });
      for (const { id } of ended) this.#ended.delete(id);
      for (const id of kill) this.#running.get(Number(id))?.kill();
    } catch (error) {
      this.#unheard(error);
    }
  }

  /** Ends all commands. */
  async stop(): Promise<void> {
    for (const command of this.#running.values()) command.kill("job-exec was removed");
    await Promise.all(this.#reports);
  }

  async #report(end: CommandEnd): Promise<void> {
    try {
      await this.#h.rpc("job-manager.finish", end);
      this.#ended.delete(end.id);
    } catch (error) {
      this.#unheard(error);
    }
  }

  /** A job-manager that is away hears of it all when it is back: it asks for a hello. */
  #unheard(error: unknown): void {
    if (!isAway(error)) this.#h.log("err", `job-manager: ${messageOf(error)}`);
  }
}
