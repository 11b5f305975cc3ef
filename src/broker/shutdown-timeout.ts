import { parseDuration } from "../units/index.js";
import type { Attributes } from "./attributes.js";

/** How long an orderly shutdown may take before what is left is killed (instance.md §1): 30 s unless it is set. */
export const SHUTDOWN_TIMEOUT = { name: "broker.shutdown-timeout", value: "30s" } as const;

/** The longest that a timer of Node runs, nearly 25 days; beyond it would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What is wrong with a value of the attribute, or undefined. */
export function checkShutdownTimeout(value: string): string | undefined {
  return parseDuration(value).ok
    ? undefined
    : 'must be a duration: a number with ms, s, m, h or d, such as "30s", or infinity';
}

/** The attribute as it stands, for a timer. */
export function shutdownTimeoutMs(attributes: Attributes): number {
  const parsed = parseDuration(attributes.get(SHUTDOWN_TIMEOUT.name) ?? SHUTDOWN_TIMEOUT.value);
  return parsed.ok ? Math.min(parsed.value.value, LONGEST_TIMER_MS) : LONGEST_TIMER_MS;
}
