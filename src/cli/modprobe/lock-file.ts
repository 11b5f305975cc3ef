import { createHash } from "node:crypto";
import { systemMessage } from "../../errors/index.js";
import { readLimited } from "../../processes/index.js";
import { lockText, type PlanLock } from "../../graph/index.js";
import { ExitError } from "../terminal/output.js";

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
 * @throws ExitError if it cannot be read, is no lock, or was changed by hand, so that its hash differs from the hash
 *   of its plan
 */
export function readLock(path: string): PlanLock {
  const value = parsed(readText(path));
  if (!isLock(value)) throw new ExitError(1, `${path}: not a plan locked by this version of sluice`);
  const { hash, ...lock } = value;
  if (hash !== hashOf(lock))
    throw new ExitError(1, `${path}: its hash does not match its plan; write a new file with --lock`);
  return lock;
}

/**
 * Whether a file is meant to be a lock: by its suffix, or by its contents if files with that suffix may have other
 * contents.
 */
export function isLockFile(path: string): boolean {
  if (path.endsWith(".lock")) return true;
  return path.endsWith(".json") && isLock(parsed(readText(path)));
}

function readText(path: string): string {
  try {
    return readLimited(path).toString("utf8");
  } catch (error) {
    throw new ExitError(1, `${path}: ${systemMessage(error)}`);
  }
}

/** The value of a text as JSON; undefined if the text is not JSON, and so no lock. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The hash shows that the other fields are valid, because only Sluice writes it. */
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
