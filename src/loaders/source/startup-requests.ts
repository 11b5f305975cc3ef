import { open } from "node:fs/promises";
import { isErrno } from "../../errors/index.js";
import { type StartupRequest, placeRequests, type RequestSpan } from "./startup-request.js";
import { pythonRequests } from "./python-requests.js";
import { scriptRequests } from "./script-requests.js";

/** It reads no longer file, because people do not write such files by hand. */
const SOURCE_BYTES_MAX = 1024 * 1024;

/**
 * The requests that a module sends before it runs, read from its source without running it. It does not follow the
 * calls of its start-up code into other files.
 * @param path of a JavaScript, TypeScript or Python file. The list is empty for other files, for one over 1 MiB, and
 *   for one that may not be read
 */
export async function readStartupRequests(path: string): Promise<StartupRequest[]> {
  const scan = scannerFor(path);
  if (scan === undefined) return [];
  const text = await readSource(path);
  return text === undefined ? [] : placeRequests(path, text, scan(text));
}

function scannerFor(path: string): ((text: string) => RequestSpan[]) | undefined {
  if (/\.py(?:\.\d+)*$/.test(path)) return pythonRequests;
  return /\.[cm]?[jt]s(?:\.\d+)*$/.test(path) ? scriptRequests : undefined;
}

async function readSource(path: string): Promise<string | undefined> {
  try {
    const file = await open(path);
    try {
      const about = await file.stat();
      if (!about.isFile() || about.size > SOURCE_BYTES_MAX) return undefined;
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    // The load reports that.
    if (isErrno(error, "ENOENT") || isErrno(error, "EACCES")) return undefined;
    throw error;
  }
}
