import { readdirSync, readFileSync } from "node:fs";
import { isErrno } from "../errors/index.js";

/**
 * All processes; empty without `/proc`.
 * @throws the system's error if no more files can be opened
 */
export function processIds(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/**
 * A file of a process; empty if the process has gone meanwhile, or this user may not read it.
 * @throws the system's error if no more files can be opened
 */
export function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch (error) {
    if (isErrno(error, "EMFILE") || isErrno(error, "ENFILE")) throw error;
    return "";
  }
}
