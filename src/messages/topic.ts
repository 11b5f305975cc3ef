import { hasControls } from "../errors/index.js";

/**
 * Whether a value is a topic: words joined by single dots, without blanks and control characters
 * (docs/design/modules.md §2).
 */
export function isTopic(text: unknown): boolean {
  return isWireTopic(text) && !hasControls(text);
}

/** Whether a message may have this topic: the rule of `topic` in schema/wire-header.schema.json. */
export function isWireTopic(text: unknown): text is string {
  return typeof text === "string" && TOPIC.test(text);
}

const TOPIC = /^[^.\s]+(?:\.[^.\s]+)*$/u;

/** The part of a topic up to the first dot: the name of the service that a request goes to. */
export function serviceOf(topic: string): string {
  const dot = topic.indexOf(".");
  return dot === -1 ? topic : topic.slice(0, dot);
}

/** The part of a topic after the first dot, which picks the handler within a service; empty without a dot. */
export function methodOf(topic: string): string {
  const dot = topic.indexOf(".");
  return dot === -1 ? "" : topic.slice(dot + 1);
}

/** Whether a value may be subscribed to: a topic, the beginning of topics followed by `.*`, or `*` for all. */
export function isSubscription(pattern: unknown): boolean {
  if (pattern === "*") return true;
  return isTopic(typeof pattern === "string" && pattern.endsWith(".*") ? pattern.slice(0, -2) : pattern);
}

/**
 * Values by subscription pattern. A search takes as many steps as the topic has words, for any number of patterns.
 * `a.b` matches only that topic, `a.*` all topics that begin with `a.`, `*` every topic.
 */
export class SubscriptionTable<T> {
  readonly #byPattern = new Map<string, Set<T>>();

  /** @returns whether it is the first value for this pattern */
  add(pattern: string, value: T): boolean {
    const values = this.#byPattern.get(pattern);
    if (values === undefined) this.#byPattern.set(pattern, new Set([value]));
    else values.add(value);
    return values === undefined;
  }

  /** @returns whether it existed, and was the last value for this pattern */
  delete(pattern: string, value: T): boolean {
    const values = this.#byPattern.get(pattern);
    if (values === undefined || !values.delete(value)) return false;
    return values.size === 0 && this.#byPattern.delete(pattern);
  }

  /** @returns whether the pattern had values */
  deletePattern(pattern: string): boolean {
    return this.#byPattern.delete(pattern);
  }

  has(pattern: string): boolean {
    return this.#byPattern.has(pattern);
  }

  patterns(): IterableIterator<string> {
    return this.#byPattern.keys();
  }

  /** Every value with a matching pattern, once, the most exact pattern first. */
  match(topic: string): Set<T> {
    const found = new Set<T>(this.#byPattern.get(topic));
    for (let dot = topic.lastIndexOf("."); dot > 0; dot = topic.lastIndexOf(".", dot - 1)) {
      this.#collect(`${topic.slice(0, dot)}.*`, found);
    }
    this.#collect("*", found);
    return found;
  }

  #collect(pattern: string, into: Set<T>): void {
    for (const value of this.#byPattern.get(pattern) ?? []) into.add(value);
  }
}
