import type { JsonValue } from "../messages/index.js";
import type {
  HostState,
  ModuleOptionEdit,
  SetupEffect,
  StandIn,
  StandInUse,
  TaskReport,
} from "./host-protocol.js";

/** A line of output without its end, from a task, a command or a host as a whole. */
export interface OutputLine {
  /** The task, where it is known: lines that a task's own children write directly have no task. */
  readonly unit: string | undefined;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

/** The result of reading one rc file. */
export interface RcFileReport {
  readonly file: string;
  /** The tasks in the order declared. */
  readonly tasks: readonly TaskReport[];
  /** Effects of its `setup()`, in order. */
  readonly effects: readonly SetupEffect[];
  /** Imports that were not found. */
  readonly standIns: readonly StandIn[];
  /** Places where a stand-in decided a part of the plan. */
  readonly uses: readonly StandInUse[];
}

/** How to read an rc file. */
export interface ReadMode {
  /** Whether its `setup()` runs. */
  readonly setup: boolean;
  /** Whether stand-ins replace missing imports. */
  readonly standIns: boolean;
}

/** A process that runs the code of rc files in one language (docs/design/planning.md §8). */
export interface RcHost {
  /**
   * Reads one file. Called for one file at a time.
   * @throws RcReadError if the file cannot be read or its setup fails; SluiceError `RC_FAILED` if the host ends
   */
  read(file: string, mode: ReadMode): Promise<RcFileReport>;
  /**
   * Runs a task of a file that was read. An abort aborts the signal of the task, and kills the host when its other tasks have ended.
   * @throws SluiceError `RC_FAILED` with the error of the task; after an abort the reason of the signal
   */
  run(task: string, signal: AbortSignal): Promise<void>;
  update(state: HostState): void;
  /** Whether it is to be killed, or has ended. It then takes no more work. */
  readonly doomed: boolean;
  /** Lets the host exit, and kills it if it does not. Resolves when it has ended and its output has been read. */
  close(): Promise<void>;
}

/** The reports of a host to its run. */
export interface RcHostListener {
  output(line: OutputLine): void;
  print(text: string): void;
  set(key: string, value: JsonValue): void;
  setopt(edit: ModuleOptionEdit): void;
  setenv(env: Readonly<Record<string, string | null>>): Promise<void>;
  /** Brings the host's mirror up to date with the instance. */
  refresh(): Promise<void>;
}
