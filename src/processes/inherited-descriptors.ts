import { readdirSync, readlinkSync } from "node:fs";

/** The system's names of polls and counters. */
const LOOP = "anon_inode:";

/**
 * The descriptors from 3 up that this process was started with. It leaves out those that look as if Node opened them
 * for itself. Node does not pass them to its children. A command that replaces this process has to pass them on.
 * @returns ascending; empty without `/proc`
 */
function inheritedDescriptors(): number[] {
  const all = descriptors();
  const targets = all.map(({ target }) => target);
  const ofLoop = all.filter(({ target }) => target.startsWith(LOOP));
  const lastOfLoop = Math.max(...ofLoop.map(({ descriptor }) => descriptor));
  return all
    .filter(({ descriptor, target }) => {
      // Polls and counters of Node's event loop, and the pipes that wake it, both of whose ends are in this process.
      const isPair = target.startsWith("pipe:") && targets.indexOf(target) !== targets.lastIndexOf(target);
      // The event loop opens one descriptor last, as a reserve for the case that no other descriptor is free.
      const isReserve = target === "/dev/null" && descriptor > lastOfLoop;
      return !isPair && !isReserve && !target.startsWith(LOOP);
    })
    .map(({ descriptor }) => descriptor)
    .sort((a, b) => a - b);
}

/** The `stdio` for a child with the same descriptors as this process. */
export function inheritedStdio(): ("inherit" | "ignore" | number)[] {
  const inherited = inheritedDescriptors();
  const count = Math.max(2, ...inherited) + 1;
  const further = new Set(inherited);
  return Array.from({ length: count }, (_, descriptor) => {
    if (descriptor < 3) return "inherit";
    return further.has(descriptor) ? descriptor : "ignore";
  });
}

function descriptors(): { readonly descriptor: number; readonly target: string }[] {
  try {
    return readdirSync("/proc/self/fd").flatMap((name) => {
      const target = targetOf(name);
      return Number(name) < 3 || target === undefined ? [] : [{ descriptor: Number(name), target }];
    });
  } catch {
    return [];
  }
}

/** Undefined for the descriptor that was open only while the directory was read. */
function targetOf(name: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${name}`);
  } catch {
    return undefined;
  }
}
