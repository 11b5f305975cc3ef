import { open } from "node:fs/promises";
import { requestError } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";

/**
 * Where durable state goes: the attribute `statedir`, or without it `rundir`, whose end it shares
 * (docs/design/instance.md §2).
 */
export async function stateDirectory(h: Handle): Promise<string> {
  const directory = (await h.attr("statedir")) ?? (await h.attr("rundir"));
  if (directory === undefined || directory === "") {
    throw requestError("EINVAL", "neither statedir nor rundir is set: there is no place for the content");
  }
  return directory;
}

/** Makes new names and renames in a directory survive a loss of power. */
export async function syncDirectory(directory: string): Promise<void> {
  const file = await open(directory, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
