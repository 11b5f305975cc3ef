import { messagesWithin, type RunMessages } from "../../../analysis/index.js";
import type { Plan } from "../../../graph/index.js";
import { fields, type Handle, type JsonValue } from "../../../messages/index.js";

/** A broker that does not answer in this time is about to end. */
const TIMEOUT_MS = 3000;

/**
 * The broker's notes about the messages between the units of a plan that has run.
 * @returns undefined if it loads no module, or the broker has no counts of messages
 */
export async function messagesOf(plan: Plan, handle: Handle | undefined): Promise<RunMessages | undefined> {
  if (handle === undefined || !plan.steps.some(({ action }) => action === "load")) return undefined;
  try {
    const answer = await handle.rpc("module.messages", undefined, { timeoutMs: TIMEOUT_MS });
    const { isComplete, between } = fields(answer, { isComplete: "boolean", between: "array" });
    const units = new Set(plan.steps.map(({ unit }) => unit.name));
    return messagesWithin(units, { isComplete, between: between.map(linkOf) });
  } catch {
    // The record is useful without them. A broker of an earlier version has no counts.
    return undefined;
  }
}

function linkOf(value: JsonValue): RunMessages["between"][number] {
  const { answered, ...ends } = fields(value, { from: "string", to: "string", answered: "array" });
  const topics = answered.map((one) => fields(one, { topic: "string", isStarting: "boolean" }));
  return { ...ends, answered: topics };
}
