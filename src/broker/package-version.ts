import { readFileSync } from "node:fs";

/** From the package's own description, two directories up from here both in `src` and in `dist`. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const description: unknown = JSON.parse(text);
  const isObject = typeof description === "object" && description !== null;
  return isObject && "version" in description ? String(description.version) : "unknown";
}
