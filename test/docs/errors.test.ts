import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../src/errors/index.js";

const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

test("docs/errors.md has an entry for each code, and for no other", () => {
  const entries = [...page.matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
  expect(entries.toSorted()).toEqual(ERROR_CODES.toSorted());
});
