import type { OutputStreamName, ProcessEnd } from "../process-end.js";

/** A user for programs: numbers, and the supplementary groups. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** A limit of resources (setrlimit(2)); Infinity means no limit. */
export interface ResourceLimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** The events of a running program. */
export interface ProgramListener {
  output(stream: OutputStreamName, bytes: Buffer): void;
  /** The number of lost bytes, when the reader was too slow. */
  leftOut(stream: OutputStreamName, bytes: number): void;
  /** A datagram to `NOTIFY_SOCKET`. */
  notified(text: string): void;
  /** A newline on the descriptor for readiness. */
  readyOnDescriptor(): void;
}

/** The program to start, and its options. */
export interface ProgramStart {
  /** Absolute path. */
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** `capture`: to the listener; `inherit`: the outputs of this process; a number: an open file of this process. */
  readonly output: "capture" | "inherit" | "discard" | number;
  /** A descriptor above 2 on which it reports that it is ready. */
  readonly readyFd?: number | undefined;
  readonly hasNotifySocket?: boolean | undefined;
  readonly identity?: Identity | undefined;
  readonly limits?: readonly ResourceLimit[] | undefined;
  /** The memory limit of all its processes together, if the kernel can enforce it. */
  readonly memoryLimitBytes?: number | undefined;
  readonly listener: ProgramListener;
}

/** A process of a program. */
export interface MemberProcess {
  readonly pid: number;
  /** In the form of proc(5), such as `S`, `D` or `Z`. */
  readonly state: string;
  readonly name: string;
}

/** The processes of a program that a signal goes to. */
export type SignalTarget = "main" | "group" | "all";

/** A running program, and all processes that it has started. */
export interface SupervisedProgram {
  /** The main process; another one after the program has sent `MAINPID=`. */
  readonly pid: number;
  /**
   * Whether the kernel has killed one of its processes because of memory; undefined where the kernel does not check.
   */
  readonly wasOverMemoryLimit: boolean | undefined;
  /** How the main process ended; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Resolves when all its processes have ended and its output has been read; never rejects. */
  readonly gone: Promise<void>;
  signal(signal: NodeJS.Signals, target: SignalTarget): void;
  /** Kills all its processes, and those that they start meanwhile. */
  kill(): void;
  /** Whether it keeps this process alive; true at the start. */
  setRef(isRef: boolean): void;
  /** Its present processes. */
  members(): Promise<readonly MemberProcess[]>;
}
