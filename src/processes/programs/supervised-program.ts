import type { OutputStreamName, ProcessEnd } from "../process-end.js";

/** A user as programs are started under it: numbers, and the supplementary groups. */
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
  /** The number of lost bytes: the reader was too slow. */
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
  /** As proc(5) has it, such as `S`, `D` or `Z`. */
  readonly state: string;
  readonly name: string;
}

/** Which processes of a program a signal is for. */
export type SignalTarget = "main" | "group" | "all";

/** A program that runs, and all that it has started. */
export interface SupervisedProgram {
  /** The main process; another one after the program has sent `MAINPID=`. */
  readonly pid: number;
  /** Whether the kernel has killed a process of it for its memory; undefined where the kernel does not look. */
  readonly wasOverMemoryLimit: boolean | undefined;
  /** How the main process ended; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** When nothing of it is left and its output is read; never rejects. */
  readonly gone: Promise<void>;
  signal(signal: NodeJS.Signals, target: SignalTarget): void;
  /** Kills all its processes, and those that they start meanwhile. */
  kill(): void;
  /** Whether it keeps this process alive, as it does at first. */
  setRef(isRef: boolean): void;
  /** Its processes as they are now. */
  members(): Promise<readonly MemberProcess[]>;
}
