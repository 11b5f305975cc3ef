import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The top of the package, both from `dist/cli` and from `src/cli`. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Shipped modules, the last place where a bare module name is looked up. */
export const SHIPPED_MODULES = `${PACKAGE_ROOT}dist/modules`;

/** JSON Schemas of the files that Sluice reads and prints. */
export const SCHEMAS = `${PACKAGE_ROOT}schema`;

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(`${PACKAGE_ROOT}package.json`, "utf8"));
  if (
    typeof manifest === "object" &&
    manifest !== null &&
    "version" in manifest &&
    typeof manifest.version === "string"
  ) {
    return manifest.version;
  }
  return "unknown";
}

/** Version of Sluice. */
export const VERSION = readVersion();
