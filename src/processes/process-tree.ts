import { isErrno } from "../errors/index.js";
import { processIds, readProc } from "./proc.js";
import { killGroup, signalGroup, signalProcess } from "./signals.js";

interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
}

/**
 * Kills a process and all that it started, in all of their process groups. A killed process cannot end its own
 * children any more. Without `/proc`, it finds only the process group.
 */
export function killTree(root: number): void {
  const tree = treeUnlessBusy(root);
  for (const { pid, group } of tree) {
    // A process that made no group may be in a group of other processes.
    if (tree.some((line) => line.pid === group)) signalGroup(group, "SIGKILL");
    else signalProcess(pid, "SIGKILL");
  }
  killGroup(root);
}

/** Without a free descriptor, this finds only the process group. */
function treeUnlessBusy(root: number): ProcessLine[] {
  try {
    return treeOf(root);
  } catch (error) {
    if (isErrno(error, "EMFILE") || isErrno(error, "ENFILE")) return [];
    throw error;
  }
}

/** Processes with this value of an environment variable; empty without `/proc`. */
export function processesWith(name: string, value: string): number[] {
  const mark = `\0${name}=${value}\0`;
  return processIds().filter((pid) => `\0${readProc(pid, "environ")}`.includes(mark));
}

function treeOf(root: number): ProcessLine[] {
  const children = new Map<number, ProcessLine[]>();
  const tree: ProcessLine[] = [];
  for (const line of processes()) {
    if (line.pid === root) tree.push(line);
    const siblings = children.get(line.parent);
    if (siblings === undefined) children.set(line.parent, [line]);
    else siblings.push(line);
  }
  // The list grows during the loop.
  for (const { pid } of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

function processes(): ProcessLine[] {
  return processIds()
    .map((pid) => processLine(pid))
    .filter((line) => line !== undefined);
}

/** @returns undefined if it has gone meanwhile */
function processLine(pid: number): ProcessLine | undefined {
  const text = readProc(pid, "stat");
  if (text === "") return undefined;
  // The name before it is in brackets, and may contain any character.
  const [, parent, group] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid, parent: Number(parent), group: Number(group) };
}
