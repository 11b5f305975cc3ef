/** The code of the thread of `planInWorker`: takes a catalog in parts, plans it, and sends the plan. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Origin } from "../errors/index.js";
// These imports do not use the index, because each further file delays the start of the thread.
import { requestOf } from "../graph/plan.js";
import { planPortable } from "../graph/portable/portable-plan.js";
import type { Unit } from "../units/index.js";
import type {
  OriginAnswer,
  OriginQuestion,
  PlanOrder,
  PlanReport,
  PlanThreadSetup,
} from "./plan-protocol.js";

const { answers, isAnswered } = workerData as PlanThreadSetup;

const units: Unit[] = [];

parentPort?.on("message", (order: PlanOrder) => {
  switch (order.kind) {
    case "units":
      for (const unit of order.units) units.push(unit);
      return;
    case "plan":
      report(planned(order));
      parentPort?.close();
  }
});

function planned({ input, alternatives, named }: PlanOrder & { readonly kind: "plan" }): PlanReport {
  const request = requestOf(input);
  if (request.kind === "remove") throw new TypeError("this thread plans no removal");
  const result = planPortable(
    {
      units,
      alternatives: alternatives.map(({ service, unit }, at) => ({
        ...{ service, unit },
        origin: new AskedOrigin({ of: "alternative", at }),
      })),
      originOf: (unit, key, element) => ask({ of: "unit", unit, key, element }),
    },
    { ...input, origins: new Map(named.map((name) => [name, new AskedOrigin({ of: "name", name })])) },
    request,
  );
  return result.ok
    ? { kind: "planned", plan: result.value, warnings: result.warnings }
    : { kind: "failed", diagnostics: result.diagnostics };
}

function report(message: PlanReport): void {
  parentPort?.postMessage(message, message.kind === "planned" ? [...buffersIn(message.plan)] : []);
}

/**
 * Sleeps until the other thread has answered, because only that thread has the texts of the files, and so the places
 * of values.
 */
function ask(question: OriginQuestion): OriginAnswer {
  Atomics.store(isAnswered, 0, 0);
  report({ kind: "ask", question });
  Atomics.wait(isAnswered, 0, 0);
  return receiveMessageOnPort(answers)?.message as OriginAnswer;
}

class AskedOrigin implements Origin {
  readonly #question: OriginQuestion;
  #answer: OriginAnswer;

  constructor(question: OriginQuestion) {
    this.#question = question;
  }

  get label(): string {
    return (this.#answer ??= ask(this.#question))?.label ?? "";
  }

  get location(): Origin["location"] {
    return (this.#answer ??= ask(this.#question))?.location;
  }
}

/** The memory of all arrays of numbers, which moves to the other thread without a copy. */
function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (typeof value === "object" && value !== null && !(value instanceof Map)) {
    for (const part of Object.values(value)) if (typeof part === "object") buffersIn(part, found);
  }
  return found;
}
