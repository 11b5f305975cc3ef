import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { messageOf } from "../errors/index.js";
import { lockText, type PlanLock } from "../graph/index.js";
import { ExitError } from "./output.js";

/** `sha256:HEX` of the canonical text of a plan. */
export function hashOf(lock: PlanLock): string {
  return `sha256:${createHash("sha256").update(lockText(lock)).digest("hex")}`;
}

/** The bytes of a lock file: the hash, then the plan. */
export function lockFileText(lock: PlanLock): string {
  return lockText({ hash: hashOf(lock), ...lock });
}

/**
 * Reads a lock file.
 * @throws ExitError if it cannot be read, is none, or was changed by hand, so that its hash is not that of its plan
 */
export async function readLock(path: string): Promise<PlanLock> {
  const value = await readJson(path);
  if (!isLock(value)) throw new ExitError(1, `${path}: not a plan locked by this version of sluice`);
  const { hash, ...lock } = value;
  if (hash !== hashOf(lock))
    throw new ExitError(1, `${path}: its hash is not that of its plan; make it anew`);
  return lock;
}

/** Whether a file holds a lock; false for one that is anything else. */
export async function isLockFile(path: string): Promise<boolean> {
  return path.endsWith(".json") || path.endsWith(".lock") ? isLock(await readJson(path)) : false;
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new ExitError(1, `${path}: ${messageOf(error)}`);
  }
}

/** The hash vouches for the rest: only we write it. */
function isLock(value: unknown): value is PlanLock & { readonly hash: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "format" in value &&
    value.format === "sluice-plan" &&
    "version" in value &&
    value.version === 1 &&
    "hash" in value &&
    typeof value.hash === "string"
  );
}
