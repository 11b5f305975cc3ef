/**
 * The messages between the runner and a host of rc files: one JSON object a line, in UTF-8. The host
 * inherits the socket for it as the descriptor that `SLUICE_RC_URI=fd://N` names. A host in any language can use it.
 *
 * The runner sends `init` first. It sends `read` for one file at a time. The host answers with `tasks` as soon as it
 * has read the file. It runs its `setup` if requested, and then answers `read`. Then come `run`s, several at a time,
 * each answered by one `end`. A host exits when the socket closes, and on `exit`.
 */
import type { JsonValue } from "../messages/index.js";

/** The environment variable that names the descriptor. */
export const HOST_URI_VARIABLE = "SLUICE_RC_URI";

/** JSON objects such as the configuration. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** The data that a host mirrors, so that reading it never waits. An update contains only the changed parts. */
export interface HostState {
  readonly rank?: number;
  readonly attrs?: Readonly<Record<string, string>>;
  readonly config?: JsonObject;
  /** The broker's environment. */
  readonly brokerEnv?: Readonly<Record<string, string>>;
  /** Changes to the host's own environment; null unsets. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** Shared data that has changed. */
  readonly data?: JsonObject;
  /** Arguments of modules that have any, by unit. Replaces all earlier ones. */
  readonly args?: Readonly<Record<string, readonly string[]>>;
  /** Service → the module for its options, if the module has another name. Replaces all earlier ones. */
  readonly providers?: Readonly<Record<string, string>>;
}

/** Runner → host. */
export type ToHost =
  | { readonly op: "init"; readonly state: HostState; readonly cacheDir?: string }
  /** With `standIns`, for a plan: an import that cannot be found is no error (docs/design/flux.md §1). */
  | { readonly op: "read"; readonly file: string; readonly setup: boolean; readonly standIns?: boolean }
  | { readonly op: "run"; readonly task: string }
  | { readonly op: "cancel"; readonly task: string }
  | { readonly op: "update"; readonly state: HostState }
  /** To a `setenv` or `refresh`. An `update` before it has the changes. */
  | { readonly op: "reply"; readonly id: number; readonly error?: string }
  | { readonly op: "exit" };

/** A task in the report of a host. */
export interface TaskReport {
  readonly name: string;
  /** The options of the task, by the keys of unit files. */
  readonly keys: JsonObject;
  /** Line of the declaration, from 1; 0 if unknown. */
  readonly line: number;
  readonly column: number;
}

/** The effects of a `setup()` on the plan, in their order. */
export type SetupEffect =
  | { readonly kind: "load"; readonly names: readonly string[] }
  | { readonly kind: "remove"; readonly names: readonly string[] | null }
  | { readonly kind: "alternative"; readonly service: string; readonly unit: string }
  | { readonly kind: "enable"; readonly name: string }
  | ModuleOptionEdit;

/** `setopt`, of a `setup()` or of a task. */
export interface ModuleOptionEdit {
  readonly kind: "setopt";
  readonly module: string;
  readonly options: readonly string[];
  readonly overwrite: boolean;
}

/** An import that was not found. */
export interface StandIn {
  readonly name: string;
  /** The line of the first import in the rc file, or in a file of the site that it imports, from 1; 0 if unknown. */
  readonly line: number;
}

/** The place where a stand-in affected the plan. */
export interface StandInUse {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** Why a file could not be read, or its setup failed. */
export interface ReadFailure {
  readonly phase: "read" | "setup";
  readonly message: string;
  /** From 1; 0 if unknown. */
  readonly line: number;
  readonly column: number;
  readonly stack?: string;
  /** The remedy. */
  readonly hint?: string;
}

/** The error that the code of a task threw. */
export interface RemoteError {
  readonly message: string;
  readonly stack?: string;
}

/** Host → runner. */
export type FromHost =
  | { readonly op: "tasks"; readonly file: string; readonly tasks: readonly TaskReport[] }
  | {
      readonly op: "read";
      readonly file: string;
      readonly effects: readonly SetupEffect[];
      readonly standIns?: readonly StandIn[];
      readonly uses?: readonly StandInUse[];
    }
  | { readonly op: "read"; readonly file: string; readonly failure: ReadFailure }
  | { readonly op: "end"; readonly task: string; readonly error?: RemoteError }
  | {
      readonly op: "output";
      readonly task?: string;
      readonly stream: "stdout" | "stderr";
      readonly text: string;
    }
  | { readonly op: "print"; readonly text: string }
  | { readonly op: "set"; readonly key: string; readonly value: JsonValue }
  | { readonly op: "setopt"; readonly edit: ModuleOptionEdit }
  | { readonly op: "setenv"; readonly id: number; readonly env: Readonly<Record<string, string | null>> }
  | { readonly op: "refresh"; readonly id: number }
  /** Code outside of any task threw an error. The host exits. */
  | { readonly op: "fatal"; readonly message: string; readonly stack?: string };
