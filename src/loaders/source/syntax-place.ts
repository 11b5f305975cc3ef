import { ERRNO, SluiceError } from "../../errors/index.js";
import { NODE_COMMAND, processEnd, startProcess } from "../../processes/index.js";

/**
 * A syntax error of a JavaScript module with its place. V8 gives the place only when it prints the error to a
 * terminal. So Node checks the file again, which takes a process, but only after an error.
 * @returns `LOAD_FAILED` with `EINVAL`, `PATH:LINE:COL: MESSAGE`; the unchanged error if the file itself is valid,
 *   for example when an import of it is invalid
 */
export async function withPlace(error: SyntaxError, path: string): Promise<Error> {
  const report = await checkReport(path);
  const [, line, before] = /^.*:(\d+)\n.*\n(\s*)\^/.exec(report) ?? [];
  if (line === undefined || before === undefined) return error;
  const message = `${path}:${line}:${before.length + 1}: ${error.message}`;
  return new SluiceError("LOAD_FAILED", message, { cause: error, errnum: ERRNO.EINVAL });
}

/**
 * Checks the syntax of a JavaScript file without running it.
 * @throws SluiceError `LOAD_FAILED` with `EINVAL`, `PATH:LINE:COL: MESSAGE`
 */
export async function checkSyntax(path: string): Promise<void> {
  const message = /^SyntaxError: (.*)$/m.exec(await checkReport(path))?.[1];
  if (message === undefined) return;
  const error = new SyntaxError(message);
  const placed = await withPlace(error, path);
  if (placed !== error) throw placed;
  throw new SluiceError("LOAD_FAILED", `${path}: ${message}`, { cause: error, errnum: ERRNO.EINVAL });
}

/** The output of `node --check`, empty without an error. It begins with `PATH:LINE`, the line and a caret. */
async function checkReport(path: string): Promise<string> {
  const [node, ...flags] = NODE_COMMAND;
  const child = startProcess(node, [...flags, "--check", path], { stdio: ["ignore", "ignore", "pipe"] });
  let report = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (report += text));
  try {
    await processEnd(child);
    return report;
  } catch {
    // The error then has no place, because a failure to start a process is no fault of the file.
    return "";
  }
}
