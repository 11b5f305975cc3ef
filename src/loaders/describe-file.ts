import { messageOf, stackOf } from "../errors/index.js";
import { describeLibrary, type LibraryHost } from "../messages/index.js";
import { importModule } from "./import-module.js";
import type { DescribeReport, ModuleFile, WorkerSetup } from "./thread-protocol.js";

/** The questions to a library. */
export interface DescribeQuery {
  readonly host: LibraryHost;
  /** The modules whose `compatible` is called; undefined: all. */
  readonly names?: readonly string[] | undefined;
}

/** Imports a file in this thread or process, which ends afterwards, and returns its description. */
export async function describeFile(
  file: ModuleFile,
  setup: WorkerSetup,
  { host, names }: DescribeQuery,
): Promise<DescribeReport> {
  try {
    return { manifest: await describeLibrary(await importModule(file, setup), host, names) };
  } catch (error) {
    return { error: messageOf(error), stack: stackOf(error) };
  }
}
