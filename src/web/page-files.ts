import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

const TYPES = {
  "index.html": "text/html; charset=utf-8",
  "app.js": "text/javascript; charset=utf-8",
  "style.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;

/**
 * The files of the page by their path below the base path. No request can name a file on the disk, because
 * the server reads the files once.
 * @param directory the directory of the build
 */
export function readPageFiles(directory: string): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const [name, type] of Object.entries(TYPES)) {
    const file = { type, bytes: readFileSync(join(directory, name)) };
    files.set(name === "index.html" ? "" : name, file);
  }
  return files;
}
