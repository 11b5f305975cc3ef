import { SECRET, withoutArguments } from "../errors/index.js";
import type { ModuleUnit } from "./types.js";

/** The values of a unit that its key `secret` hides. */
const HIDDEN: ReadonlySet<string> = new Set(["args", "environment", "command"]);

/**
 * A value of a key of a secret unit as it may be shown: it keeps names of variables and programs, and hides their
 * values and arguments (docs/design/programs.md §3).
 */
export function withoutSecrets(key: string, value: unknown): unknown {
  if (value === undefined || value === null) return value;
  if (HIDDEN.has(key)) return hidden(key, value);
  // Probes and `stop` may have commands of their own.
  if (typeof value !== "object" || Array.isArray(value) || !("command" in value)) return value;
  return { ...value, command: withoutArguments(value.command as string | readonly string[]) };
}

/** The arguments of a module in the form for output. */
export function shownArgs({ args, secret }: ModuleUnit): readonly string[] {
  return secret && args.length > 0 ? [SECRET] : args;
}

function hidden(key: string, value: unknown): unknown {
  if (key === "command") return withoutArguments(value as string | readonly string[]);
  if (Array.isArray(value)) return value.length === 0 ? [] : [SECRET];
  return Object.fromEntries(Object.keys(value as object).map((name) => [name, SECRET]));
}
