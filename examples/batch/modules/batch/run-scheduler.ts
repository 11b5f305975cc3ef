import { fields, type Handle, isErrno, requestError } from "sluice";
import { idOf } from "./job.js";
import type { Policy } from "./policy.js";
import { ranksOf, Scheduler } from "./scheduler.js";

/**
 * A scheduler as a module: provides `sched` and `feasibility`, and lets a policy decide.
 *
 * `alloc {id, cores, duration, urgency}` is answered with a placement when the job may start; `free {id}` gives its cores
 * back, or takes it out of the queue. All that there is to know is with job-manager, which is asked for it at the start
 * and whenever it starts itself: a scheduler may come and go at any time.
 */
export async function runScheduler(h: Handle, args: readonly string[], policy: Policy): Promise<void> {
  const scheduler = new Scheduler(h, coresArgument(args), policy);
  h.handle("alloc", (request) => scheduler.enqueue(request));
  h.handle("free", (request) => {
    scheduler.free(idOf(request.payload));
    h.respond(request);
  });
  h.handle("ranks", async (request) => {
    await scheduler.useRanks(ranksOf(request.payload));
    h.respond(request);
  });
  h.handle("check", (request) => {
    scheduler.check(fields(request.payload, { cores: "integer" }).cores);
    h.respond(request);
  });
  await h.registerService("sched");
  await registerFeasibility(h);
  await meet(h, scheduler);
  await h.run();
}

/** Says hello now, whenever job-manager starts, and after missed events: it may have started meanwhile. */
async function meet(h: Handle, scheduler: Scheduler): Promise<void> {
  const failed = (error: unknown): void => h.stop(asError(error));
  const hello = (): void => void scheduler.hello().catch(failed);
  const onEnd = (): void => void meet(h, scheduler).catch(failed);
  await h.subscribe("job-manager.online", hello, { onEnd });
  await scheduler.hello();
}

/** Another unit may serve it: whoever was first does. */
async function registerFeasibility(h: Handle): Promise<void> {
  try {
    await h.registerService("feasibility");
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    h.log("info", "feasibility is served by another module");
  }
}

function coresArgument(args: readonly string[]): number | undefined {
  let cores: number | undefined;
  for (const argument of args) {
    const text = /^cores=([1-9]\d{0,4})$/.exec(argument)?.[1];
    if (text === undefined)
      throw requestError("EINVAL", `'${argument}': expected cores=N, N from 1 to 99999`);
    cores = Number(text);
  }
  return cores;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
