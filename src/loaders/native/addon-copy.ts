import { existsSync } from "node:fs";
import { lstat, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
// This import does not use the index, because hosts need little of it.
import { isOursAlone } from "../../caches/own-directory.js";
import { replaceFile } from "../../caches/replace-file.js";
import { digestOf } from "../../caches/sealed-files.js";

/**
 * Copies an addon to a file named by its digest. Another version needs another path, because the system opens
 * a path only once in a process. A write to the file while it is in use would end the process.
 * @param cacheDir a directory of this user alone
 * @returns undefined if no copy can be made
 */
export async function addonCopy(path: string, cacheDir: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(path);
    const directory = join(cacheDir, "addons");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (!isOursAlone(await lstat(directory))) return undefined;
    const copy = join(directory, `${digestOf([bytes]).toString("hex")}.node`);
    if (!existsSync(copy)) replaceFile(copy, [bytes]);
    return copy;
  } catch {
    return undefined;
  }
}
