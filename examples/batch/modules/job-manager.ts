import { fields, type Handle, requestError } from "sluice";
import { isAway } from "./batch/away.js";
import { Dispatcher } from "./batch/dispatcher.js";
import { endOf, idOf, jobSummary, parseSpec } from "./batch/job.js";
import { JobTable } from "./batch/job-table.js";
import { Records } from "./batch/records.js";

/**
 * Keeps the jobs: accepts them, has a scheduler place them and job-exec run them, and knows what became of each.
 *
 * Their records are in the KVS (`job.ID`) before any client learns of them, so that the module may be reloaded, and the
 * instance restarted, at any time. The other modules have the rest of the state: when this module starts it publishes
 * `job-manager.online`, and the scheduler and job-exec answer with a hello that contains their state.
 *
 * Argument: `keep=N`, how many ended jobs are remembered, 1000 if absent. Requests: README.md.
 */
export async function modMain(h: Handle, ...args: string[]): Promise<void> {
  const records = new Records(h);
  const jobs = new JobTable(h, records, keepArgument(args), await records.load());
  const dispatcher = new Dispatcher(h, jobs);
  serveUsers(h, jobs, dispatcher);
  servePeers(h, dispatcher);
  h.setRunning();
  await h.publish(`${h.name}.online`);
  await h.run();
  await dispatcher.settle();
}

/** The requests of users. */
function serveUsers(h: Handle, jobs: JobTable, dispatcher: Dispatcher): void {
  h.handle("submit", async (request) => {
    const spec = parseSpec(request.payload);
    await checkFeasible(h, spec.cores);
    const id = await jobs.add(spec);
    dispatcher.allocate(id);
    return { id };
  });
  h.handle("list", (request) => {
    const { all } = fields(request.payload, { all: "boolean?" });
    const listed = [...jobs].filter(({ progress }) => all === true || progress.state !== "INACTIVE");
    return { jobs: listed.map(jobSummary) };
  });
  h.handle("wait", async (request) => jobSummary(await jobs.ended(idOf(request.payload), request.signal)));
  h.handle("cancel", async (request) => {
    const { id, progress } = jobs.get(idOf(request.payload));
    if (progress.state === "INACTIVE") throw requestError("EINVAL", `job ${id} has ended`);
    await dispatcher.cancel(id);
    h.respond(request);
  });
}

/** @throws the error of `feasibility.check` for a job that can never run */
async function checkFeasible(h: Handle, cores: number): Promise<void> {
  try {
    await h.rpc("feasibility.check", { cores });
  } catch (error) {
    // Without a scheduler, the job waits.
    if (!isAway(error)) throw error;
  }
}

/** The requests of the scheduler and job-exec. */
function servePeers(h: Handle, dispatcher: Dispatcher): void {
  h.handle("sched-hello", () => dispatcher.schedulerHello());
  h.handle("exec-hello", (request) => {
    const hello = fields(request.payload, { rank: "integer", running: "array", ended: "array" });
    return dispatcher.execHello(hello.rank, hello.running.map(Number), hello.ended.map(endOf));
  });
  h.handle("finish", async (request) => {
    await dispatcher.finish(endOf(request.payload));
    h.respond(request);
  });
}

const KEEP_DEFAULT = 1000;

function keepArgument(args: readonly string[]): number {
  let keep = KEEP_DEFAULT;
  for (const argument of args) {
    const text = /^keep=(\d{1,6})$/.exec(argument)?.[1];
    if (text === undefined)
      throw requestError("EINVAL", `'${argument}': expected keep=N, N from 0 to 999999`);
    keep = Number(text);
  }
  return keep;
}
