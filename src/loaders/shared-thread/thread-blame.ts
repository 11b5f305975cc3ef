import { fileURLToPath } from "node:url";
import type { StackCall } from "./blocked-stack.js";

/** Our own code in the thread, which does not identify a module. */
const HOST = /\/bundles\/(?:thread|hosts)\.cjs$/;

/** A module in a thread, and the name of its code on a stack. */
export interface ThreadTenant {
  readonly id: number;
  readonly name: string;
  readonly path: string;
}

/** The code that blocks a thread. */
export interface Blame {
  /** Undefined if unknown. */
  readonly name: string | undefined;
  /** Lines such as `at spin (/x/motd.mjs:3:7)`; empty if the thread is inside a blocking system call. */
  readonly stack: readonly string[];
}

/**
 * Finds the module whose code runs, by its file on the stack. Where several modules have that file, or no file of a
 * module is on the stack, it is the module that received a message last.
 * @param lastId number of that module
 */
export function blameFor(
  tenants: readonly ThreadTenant[],
  calls: readonly StackCall[],
  lastId: number,
): Blame {
  const located = calls.map((call) => ({ ...call, path: pathOf(call.url) }));
  const owner = located.findLast(({ path }) => tenants.some((tenant) => tenant.path === path));
  const suspects = owner === undefined ? tenants : tenants.filter(({ path }) => path === owner.path);
  const last = suspects.find(({ id }) => id === lastId);
  const [only] = suspects;
  return {
    name: (last ?? (suspects.length === 1 ? only : undefined))?.name,
    stack: located
      .filter(({ url, path }) => url !== "" && !url.startsWith("node:") && !HOST.test(path))
      .map(({ name, path, line, column }) => `at ${name || "<anonymous>"} (${path}:${line}:${column})`),
  };
}

/** Loads of one file have different queries. */
function pathOf(url: string): string {
  if (!url.startsWith("file:")) return url;
  return fileURLToPath(url.replace(/[?#].*$/, ""));
}
