import { closeSync, fsyncSync, openSync } from "node:fs";
import { requestError } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";

/**
 * The directory of durable state: the attribute `statedir`, or without it `rundir`, which is removed with the
 * instance (docs/design/instance.md §2).
 */
export async function stateDirectory(h: Handle): Promise<string> {
  const directory = (await h.attr("statedir")) ?? (await h.attr("rundir"));
  if (directory === undefined || directory === "") {
    throw requestError("EINVAL", "neither statedir nor rundir is set: the content has no directory");
  }
  return directory;
}

/** Makes new names and renames in a directory survive a loss of power. */
export function syncDirectorySync(directory: string): void {
  const file = openSync(directory, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
