import type { Handle, JsonValue, Payload, RpcOptions } from "../messages/index.js";

/**
 * The argument of `setup()` and of tasks in rc files (docs/design/planning.md §8). Tasks of all rc files
 * share the same data, environment and module arguments.
 *
 * The facts (`rank`, attributes, configuration, the broker's environment) are available synchronously. The
 * run reads them at its start, before each task, and after each `bash()` and `rpc()`.
 */
export interface Context {
  /** This rank. */
  readonly rank: number;
  /**
   * A handle of the instance. The host opens the handle when it reads the first file.
   * @throws SluiceError `BROKER_UNREACHABLE` without an instance
   */
  readonly handle: Handle;
  /** Aborted when the task has to stop: at its time-out, or at a second signal. */
  readonly signal: AbortSignal;

  /** Writes a line to standard error, in verbose mode only. */
  print(...items: readonly unknown[]): void;

  /**
   * Sends a request and resolves to the payload of its response.
   * @throws SluiceError `BROKER_REQUEST` with the errnum of the response; `BROKER_UNREACHABLE`
   */
  rpc(topic: string, payload?: Payload, options?: RpcOptions): Promise<Payload>;

  /** Shares a value with all tasks of all hosts of this run. */
  set(key: string, value: JsonValue): void;
  /** A shared value, or `fallback`. */
  get(key: string, fallback?: JsonValue): JsonValue | undefined;

  /** An attribute of the broker, or `fallback`. */
  attrGet(name: string): string | undefined;
  attrGet(name: string, fallback: string): string;
  /** A configuration value by its dotted key, or `fallback`. */
  confGet(name: string, fallback?: JsonValue): JsonValue | undefined;

  /** A variable of the local environment, else of the broker's, else `fallback`. */
  getenv(name: string): string | undefined;
  getenv(name: string, fallback: string): string;
  /**
   * Sets variables here and in the broker, so that the initial program and rc3 get them. `null` unsets a
   * variable. The task ends only after the broker has answered, even if the task does not await the promise.
   * @throws SluiceError `RC_INVALID` at once for a value that is neither a string nor null
   */
  setenv(name: string, value: string | null): Promise<void>;
  setenv(values: Readonly<Record<string, string | null>>): Promise<void>;

  /**
   * Appends to the arguments of a module that has not loaded yet, or replaces them.
   * @param module a unit, or a service, which stands for its provider
   * @param options the arguments, separated by white space
   */
  setopt(module: string, options: string, overwrite?: boolean): void;
  /**
   * The current arguments of a module.
   * @param also further modules, whose arguments follow
   * @returns the arguments, or `fallback` if there are none
   */
  getopts(name: string, fallback?: readonly string[], also?: readonly string[]): readonly string[];

  /**
   * Runs a shell line. Its output becomes the output of the task.
   * @throws SluiceError `RC_FAILED`: `bash: exited with exit status N`, `bash: died by signal N`
   */
  bash(command: string): Promise<void>;

  /** In `setup()` only: adds units or services to the roots of the plan. */
  loadModules(names: readonly string[]): void;
  /** In `setup()` only: plans the removal of these modules. Null means all. */
  removeModules(names: readonly string[] | null): void;
  /** In `setup()` only: chooses the provider of a service (docs/design/planning.md §4). */
  setAlternative(service: string, unit: string): void;
  /** In `setup()` only: force-enables a unit, or all providers of a service (docs/design/planning.md §3). */
  enable(name: string): void;
}
