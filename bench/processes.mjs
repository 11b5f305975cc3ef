/** The cost of processes: their processor time, and their own memory. */
import { readdirSync, readFileSync } from "node:fs";

/** The value of Linux on every machine that Node supports. */
const TICKS_PER_SECOND = 100;

/** Seconds of processor that the ended children of this process took, their own children included. */
export function secondsOfChildren() {
  const [, , , , , , , , , , , , , userTicks, systemTicks] = fieldsOf("self");
  return (Number(userTicks) + Number(systemTicks)) / TICKS_PER_SECOND;
}

/** Seconds of processor that a running process took so far. */
export function secondsOf(pid) {
  const fields = fieldsOf(pid);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Megabytes in which each shared page counts by its share. */
export function proportionalMegabytes(pid) {
  return kilobytes(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "Pss") / 1024;
}

export function residentMegabytes(pid) {
  return kilobytes(readFileSync(`/proc/${pid}/status`, "utf8"), "VmRSS") / 1024;
}

/** The processes whose environment has the mark: all that one command started. */
export function processesWith(mark) {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && textOf(pid, "environ").includes(mark));
}

export function commandLineOf(pid) {
  return textOf(pid, "cmdline").replaceAll("\0", " ").trim();
}

/** The fields behind the name of the process: the first field is its state. */
function fieldsOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function kilobytes(text, name) {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]);
}

/** Empty if it has ended meanwhile. */
function textOf(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
