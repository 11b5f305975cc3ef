import { fstatSync } from "node:fs";
import { LOG_LEVELS, type LogLevel } from "../../messages/types.js";

let isJournal: boolean | undefined;

/**
 * The lines of a text, for the journal of systemd each with its priority as `<N>` in front (sd-daemon(3)); unchanged where
 * standard error is not the journal.
 */
export function journalLines(text: string, level: LogLevel): string {
  isJournal ??= isSameFile(2, process.env["JOURNAL_STREAM"]);
  return isJournal ? text.replace(/^/gm, `<${LOG_LEVELS.indexOf(level)}>`) : text;
}

/**
 * Compares with the device and inode that the manager has named, because the stream may have been redirected since.
 */
function isSameFile(descriptor: number, name: string | undefined): boolean {
  if (name === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return name === `${dev}:${ino}`;
  } catch {
    // The descriptor is closed.
    return false;
  }
}
