import { requestError } from "../errors/index.js";

/**
 * The environment of the instance: the variables that the broker started with, and those that rc files have set
 * since. It is a map of its own. The environment of the process stays as it is.
 */
export class Environment {
  readonly #variables: Map<string, string>;

  constructor(initial: Readonly<Record<string, string | undefined>>) {
    this.#variables = new Map();
    for (const [name, value] of Object.entries(initial)) {
      if (value !== undefined) this.#variables.set(name, value);
    }
  }

  get(name: string): string | undefined {
    return this.#variables.get(name);
  }

  /**
   * Sets several variables. On an error it sets none of them.
   * @param changes null unsets
   * @throws SluiceError BROKER_REQUEST `EINVAL` for a name or value that no environment can hold
   */
  update(changes: Readonly<Record<string, unknown>>): void {
    const checked: [string, string | null][] = [];
    for (const [name, value] of Object.entries(changes)) {
      if (name === "" || name.includes("=") || name.includes("\0")) {
        throw requestError("EINVAL", `invalid environment variable name '${name}'`);
      }
      if (value !== null && (typeof value !== "string" || value.includes("\0"))) {
        throw requestError("EINVAL", `environment variable ${name}: value must be a string`);
      }
      checked.push([name, value]);
    }
    for (const [name, value] of checked) {
      if (value === null) this.#variables.delete(name);
      else this.#variables.set(name, value);
    }
  }

  /** @param names the result leaves out those that are not set */
  some(names: readonly string[]): Record<string, string> {
    return Object.fromEntries(
      names.flatMap((name) => {
        const value = this.#variables.get(name);
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
  }

  all(): Record<string, string> {
    return Object.fromEntries(this.#variables);
  }

  /**
   * The environment of programs of the instance.
   * @param blocklist names that they do not get, separated by commas or blanks, where `*` stands for anything
   *   (`broker.env-blocklist`)
   */
  inherited(blocklist: string): Record<string, string> {
    const isBlocked = blockedBy(blocklist);
    return Object.fromEntries([...this.#variables].filter(([name]) => !isBlocked(name)));
  }
}

function blockedBy(blocklist: string): (name: string) => boolean {
  const words = blocklist.split(/[\s,]+/).filter((word) => word !== "");
  const exact = new Set(words);
  const patterns = words.filter((word) => word.includes("*")).map((word) => word.split("*"));
  return (name) => exact.has(name) || patterns.some((parts) => matches(name, parts));
}

/** Whether a name is made of these parts, in order, with anything between them. */
function matches(name: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts;
  const last = rest.pop() ?? "";
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
