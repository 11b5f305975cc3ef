import { createRequire } from "node:module";
import type { Worker } from "node:worker_threads";
import { startThread } from "../processes/index.js";
import { hostSetup } from "./module-file.js";
import type { ThreadSetup, WorkerReport } from "./thread-protocol.js";

/** The part of the launcher for threads. */
interface Launcher {
  threadCode(): ThreadCode;
}

interface ThreadCode {
  readonly source: string;
  readonly compiled: Uint8Array | undefined;
  /** Keeps what a thread has compiled for later processes. */
  keep(compiled: Uint8Array): void;
}

// These forms are valid both in dist/loaders and in the bundles next to it.
const THREAD_MAIN = new URL("../loaders/thread-main.cjs", import.meta.url);
const LAUNCHER = "../launch.cjs";

/** The code of all threads of this process, read when the first one starts. */
let code: ThreadCode | undefined;

/** V8's form of it, which all threads share. */
let compiled: Uint8Array | undefined;

/** The thread that is to give it. */
let asked: Worker | undefined;

/**
 * Starts a thread that hosts modules. Its code is read and compiled once for all threads, because this is
 * most of what a thread adds to a bare one.
 */
export function startHostThread(env: NodeJS.ProcessEnv): Worker {
  code ??= readCode();
  const isWanted = compiled === undefined && asked === undefined;
  const setup: ThreadSetup = { ...hostSetup(), code: { source: code.source, compiled, isWanted } };
  const worker = startThread(THREAD_MAIN, { workerData: setup, env });
  if (isWanted) askFrom(worker);
  worker.on("message", (report: WorkerReport) => {
    if (report.kind !== "compiled") return;
    compiled = shared(report.code);
    code?.keep(report.code);
  });
  return worker;
}

function readCode(): ThreadCode {
  const read = (createRequire(import.meta.url)(LAUNCHER) as Launcher).threadCode();
  if (read.compiled !== undefined) compiled = shared(read.compiled);
  return read;
}

function askFrom(worker: Worker): void {
  asked = worker;
  worker.once("exit", () => {
    if (asked === worker) asked = undefined;
  });
}

/** A copy that threads use without copies of their own. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
  copy.set(bytes);
  return copy;
}
