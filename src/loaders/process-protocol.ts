import type { DescribeQuery } from "./describe-file.js";
import type { ModuleFile, WorkerSetup } from "./thread-protocol.js";

/** The start data of a module's host, as JSON on its standard input. */
export interface ProcessSetup {
  readonly file: ModuleFile;
  readonly setup: WorkerSetup;
  /** The largest payload that it receives and sends. Default: the limit of the wire form. */
  readonly maxPayloadBytes?: number | undefined;
  /** Only writes the library manifest of the file to descriptor 3. */
  readonly describe?: DescribeQuery | undefined;
}

/** Whether a module is a WASI program, which uses the wire form itself. */
export function isWasi(path: string): boolean {
  return /\.wasm(?:\.\d+)*$/.test(path);
}
