import { readFileSync } from "node:fs";

/** The version in the package's own description, which is two directories up both from `src` and from `dist`. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const description: unknown = JSON.parse(text);
  const isObject = typeof description === "object" && description !== null;
  return isObject && "version" in description ? String(description.version) : "unknown";
}
