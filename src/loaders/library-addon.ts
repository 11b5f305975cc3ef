import { fileURLToPath } from "node:url";
import { NODE_COMMAND } from "../processes/index.js";
import type { Transpiler } from "../typescript/index.js";
import { parseWritten, readFromProcess } from "./library-process.js";
import { manifestIn } from "./library-thread.js";
import { hostSetup, moduleFile } from "./module-file.js";
import type { LibraryQuery } from "./module-loader.js";
import type { ProcessSetup } from "./process-protocol.js";
import type { DescribeReport } from "./thread-protocol.js";

// This form is valid both in dist/loaders and in the bundled command line next to it.
const PROCESS_MAIN = new URL("../loaders/process-main.cjs", import.meta.url);

/**
 * Reads a library that is a Node-API addon in its own process, because a crash of it must not end this one.
 * @returns undefined if the file is no library
 * @throws SluiceError `LOAD_LIBRARY`
 */
export async function readAddonLibrary(query: LibraryQuery, transpiler: Transpiler): Promise<unknown> {
  const { path, host, names, timeoutMs } = query;
  const file = await moduleFile(query, transpiler);
  const setup: ProcessSetup = { file, setup: hostSetup(), describe: { host, names } };
  const written = await readFromProcess({
    command: [...NODE_COMMAND, fileURLToPath(PROCESS_MAIN), path],
    env: query.env ?? process.env,
    input: JSON.stringify(setup),
    ...{ fd: 3, timeoutMs },
  });
  return manifestIn(parseWritten(written) as DescribeReport, path);
}
