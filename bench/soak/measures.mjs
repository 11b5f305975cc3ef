/** The resources of a process, and their growth. */
import { readdirSync, readFileSync } from "node:fs";

/** Handles that come and go with timers and sockets, by what `process.getActiveResourcesInfo()` calls them. */
const IGNORED_RESOURCES = new Set(["Timeout", "Immediate", "TickObject", "FSReqPromise", "FSReqCallback"]);

/**
 * Counts the resources that must not be left behind. Needs /proc.
 * @param pendingRequests those of the broker in this process
 * @param mark a variable that only what the broker has started has, with its value
 */
export function countHeld(pendingRequests, mark) {
  const resources = process.getActiveResourcesInfo().filter((kind) => !IGNORED_RESOURCES.has(kind));
  const listeners = process.eventNames().map((name) => process.listenerCount(name));
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    children: childrenOfAllThreads(),
    processes: processesWith(mark),
    threads: readdirSync("/proc/self/task").length,
    handles: resources.length,
    listeners: listeners.reduce((sum, count) => sum + count, 0),
    pending: pendingRequests,
  };
}

/** After a collection; needs `--expose-gc`. */
export function weigh() {
  for (let i = 0; i < 3; i++) globalThis.gc();
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed };
}

/** Processes by their environment, wherever they have gone; zombies have none. */
function processesWith(mark) {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, "latin1").split("\0").includes(mark);
    } catch (error) {
      // It has ended meanwhile, or is not ours.
      if (["ENOENT", "ESRCH", "EACCES"].includes(error.code)) return false;
      throw error;
    }
  }).length;
}

/** A process belongs to the thread that started it. */
function childrenOfAllThreads() {
  let count = 0;
  for (const thread of readdirSync("/proc/self/task")) {
    try {
      count += readFileSync(`/proc/self/task/${thread}/children`, "utf8").split(" ").length - 1;
    } catch (error) {
      // The thread has ended meanwhile.
      if (error.code !== "ENOENT" && error.code !== "ESRCH") throw error;
    }
  }
  return count;
}

/**
 * Returns the broken bounds. Counts may not be larger than after the first tenth, memory may by a share of it.
 * @param growth the share, 0.2 for a fifth
 * @returns a sentence for each
 */
export function brokenBounds(first, last, growth) {
  const broken = [];
  for (const [name, count] of Object.entries(last.held)) {
    if (count > first.held[name]) broken.push(`${name} grew from ${first.held[name]} to ${count}`);
  }
  for (const [name, bytes] of Object.entries(last.memory)) {
    const before = first.memory[name];
    if (bytes > before * (1 + growth))
      broken.push(`${name} grew from ${before} to ${bytes}, by more than ${(growth * 100).toFixed(0)} %`);
  }
  return broken;
}

/**
 * Returns the pauses that are too long.
 * @param pauses the longest pause of each rank
 * @param mostMs how long one may be
 * @returns a sentence for each
 */
export function longPauses(pauses, mostMs) {
  return pauses
    .filter(({ longestMs }) => longestMs > mostMs)
    .map(
      ({ rank, longestMs }) =>
        `rank ${rank} received nothing for ${longestMs.toFixed(0)} ms, more than ${mostMs} ms`,
    );
}
