import { MessageChannel, type Worker } from "node:worker_threads";
import { fail, type Origin, requestError, type Result, type SluiceError, succeed } from "../errors/index.js";
import { plan, type Plan, planFrom, type PlanInput, requestOf } from "../graph/index.js";
import { type Limits, watchLimits } from "../messages/index.js";
import { startThread } from "../processes/index.js";
import type { Catalog } from "../units/index.js";
import type { OriginQuestion, PlanOrder, PlanReport, PlanThreadSetup } from "./plan-protocol.js";

/** The number of units that it sends in one turn of the loop. */
const UNITS_AT_A_TIME = 200;

/**
 * Plans in a worker thread, for inputs so large that {@link plan} would block the calling thread for too
 * long. The calling thread computes details of the plan when the caller reads them.
 *
 * The thread also finds the places of problems.
 * @param catalog all composed units
 * @param input the request (or just the roots of a start), and the facts
 * @param limits at a limit, the thread ends
 * @returns the result of {@link plan}
 * @throws SluiceError `BROKER_REQUEST` with `ECANCELED` or `ETIMEDOUT` at a limit; `LOAD_FAILED` if the
 * thread cannot start
 */
export async function planInWorker(
  catalog: Catalog,
  input: PlanInput,
  limits: Limits = {},
): Promise<Result<Plan>> {
  if (limits.signal?.aborted === true) {
    throw requestError("ECANCELED", "planning: cancelled", limits.signal.reason);
  }
  // A removal concerns only the loaded modules, which are few.
  if (requestOf(input).kind === "remove") return plan(catalog, input);
  const { port1, port2 } = new MessageChannel();
  const isAnswered = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const setup: PlanThreadSetup = { answers: port2, isAnswered };
  const worker = startThread(new URL("../instance/plan-thread-main.cjs", import.meta.url), {
    workerData: setup,
    transferList: [port2],
  });
  const answer = (question: OriginQuestion): void => {
    const origin = originOf(catalog, input, question);
    port1.postMessage(origin && { label: origin.label, location: origin.location });
    Atomics.store(isAnswered, 0, 1);
    Atomics.notify(isAnswered, 0);
  };
  try {
    const planned = reportOf(worker, answer, limits);
    let isOver = false;
    void planned.catch(() => undefined).finally(() => (isOver = true));
    await send(worker, catalog, { input, isOver: () => isOver });
    const report = await planned;
    if (report.kind === "failed") return fail(report.diagnostics);
    return succeed(planFrom(catalog, input, report.plan), report.warnings);
  } finally {
    port1.close();
    await worker.terminate();
  }
}

interface Sending {
  readonly input: PlanInput;
  /** Whether the thread needs no more. */
  readonly isOver: () => boolean;
}

async function send(worker: Worker, catalog: Catalog, { input, isOver }: Sending): Promise<void> {
  const { units, alternatives } = catalog;
  const post = (order: PlanOrder): void => worker.postMessage(order);
  for (let at = 0; at < units.length && !isOver(); at += UNITS_AT_A_TIME) {
    post({ kind: "units", units: units.slice(at, at + UNITS_AT_A_TIME) });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { origins, facts } = input;
  post({
    kind: "plan",
    // `process.env` is not a plain object.
    input: { ...input, origins: undefined, facts: { ...facts, env: { ...facts.env } } },
    alternatives: alternatives.map(({ service, unit }) => ({ service, unit })),
    named: [...(origins?.keys() ?? [])],
  });
}

type PlanEnd = Exclude<PlanReport, { readonly kind: "ask" }>;

/** The last message of the thread. Until then the caller answers its questions. */
function reportOf(
  worker: Worker,
  answer: (question: OriginQuestion) => void,
  limits: Limits,
): Promise<PlanEnd> {
  return new Promise((resolve, reject) => {
    const stopWatching = watchLimits("planning", limits, (error: SluiceError) => reject(error));
    worker.on("message", (report: PlanReport) => {
      if (report.kind === "ask") {
        answer(report.question);
        return;
      }
      stopWatching();
      resolve(report);
    });
    worker.once("error", (error: unknown) => {
      stopWatching();
      reject(error instanceof Error ? error : new Error(String(error)));
    });
    worker.once("exit", (status) => {
      stopWatching();
      reject(requestError("ECONNRESET", `planning: the thread has ended, status ${status}`));
    });
  });
}

function originOf(catalog: Catalog, input: PlanInput, question: OriginQuestion): Origin | undefined {
  switch (question.of) {
    case "unit":
      return catalog.originOf(question.unit, question.key, question.element);
    case "alternative":
      return catalog.alternatives[question.at]?.origin;
    case "name":
      return input.origins?.get(question.name);
  }
}
