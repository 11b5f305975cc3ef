import { didYouMean, SluiceError } from "../errors/index.js";
import { type CamelKey, camelKey, type UnitKeyRow } from "../units/keys/keys.js";
import { UNIT_KEYS } from "../units/keys/unit-keys.js";
import type { Context } from "./context.js";

/** Kind of a key → the type of its value in a task of an rc file, the same as in unit files. */
interface OptionValues {
  strings: readonly string[];
  conditions: readonly string[];
  ranks: string;
  integer: number;
  boolean: boolean;
  text: string;
  /** Such as `"30s"`. */
  duration: string;
}

/**
 * The rows of the keys that tasks of rc files have: the keys of all units, without those that only files can have.
 */
type TaskRow = Exclude<Extract<UnitKeyRow, { on: "both" }>, { isOfFiles: true }>;

/**
 * Keys of a task (docs/design/planning.md §1), in camelCase. Missing keys have the defaults of unit files.
 */
export type TaskOptions = {
  readonly [Row in TaskRow as CamelKey<Row["key"]>]?: OptionValues[Row["kind"]];
};

/** {@link TaskOptions} with the name of the task. */
export interface NamedTaskOptions extends TaskOptions {
  readonly name: string;
}

/** The code of a task. If it throws an error, the task fails. */
export type TaskFunction = (context: Context) => void | Promise<void>;

/**
 * The function `setup` of an rc file. It runs right after the host has read the file, and may change the
 * plan.
 */
export type SetupFunction = (context: Context) => void | Promise<void>;

/** A task in the declaration of its file. */
export interface DeclaredTask {
  readonly name: string;
  /** By the keys of unit files, e.g. `needs-attrs`. The composition checks the values. */
  readonly keys: Readonly<Record<string, unknown>>;
  readonly run: TaskFunction;
  /** The stack of the declaration, for its file and line. */
  readonly stack: string;
}

/** camelCase → the key of unit files. A key that is missing here is unknown. */
const KEYS: ReadonlyMap<string, string> = new Map(
  UNIT_KEYS.filter((row) => row.on === "both" && !("isOfFiles" in row)).map(({ key }) => [
    camelKey(key),
    key,
  ]),
);

/**
 * Tasks since they were last taken. All of them come from the latest file, because a host reads one file
 * after the other. The list lasts as long as the process. Node decides which file a plain JavaScript file
 * gets as `sluice/rc`. It may be a copy of this library that a site has installed beside its files.
 */
const DECLARED = Symbol.for("sluice.rc.declared-tasks");

interface Declarations {
  [DECLARED]?: DeclaredTask[] | undefined;
}

const ofProcess: Declarations = globalThis as Declarations;

/**
 * Declares a task of an rc file, at module level (docs/design/planning.md §8).
 * @throws SluiceError `RC_INVALID`: `NAME: unknown task argument K`; `task missing required name argument`
 */
export function task(name: string, options: TaskOptions, run: TaskFunction): void;
export function task(options: NamedTaskOptions, run: TaskFunction): void;
export function task(name: string, run: TaskFunction): void;
export function task(...given: readonly unknown[]): void {
  const { name, options, run } = read(given);
  if (typeof name !== "string" || name === "") throw invalid("task missing required name argument");
  const keys: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    const known = KEYS.get(key);
    if (known === undefined) {
      const hint = didYouMean(key, KEYS.keys());
      throw new SluiceError("RC_INVALID", `${name}: unknown task argument ${key}`, { hint });
    }
    if (value !== undefined) keys[known] = value;
  }
  if (!isTaskFunction(run)) throw invalid(`${name}: task missing its function`);
  (ofProcess[DECLARED] ??= []).push({ name, keys, run, stack: new Error().stack ?? "" });
}

/** The tasks declared since the last call, in order. */
export function takeDeclaredTasks(): DeclaredTask[] {
  const taken = ofProcess[DECLARED] ?? [];
  ofProcess[DECLARED] = undefined;
  return taken;
}

/** Rc files may be plain JavaScript, where values may have any type. */
function read(given: readonly unknown[]): { name: unknown; options: object; run: unknown } {
  const [first, second, third] = given;
  if (typeof first === "object" && first !== null) {
    const { name, ...options }: { name?: unknown } = first;
    return { name, options, run: second };
  }
  if (typeof second === "object" && second !== null) return { name: first, options: second, run: third };
  return { name: first, options: {}, run: second };
}

function isTaskFunction(value: unknown): value is TaskFunction {
  return typeof value === "function";
}

function invalid(message: string): SluiceError {
  return new SluiceError("RC_INVALID", message);
}
