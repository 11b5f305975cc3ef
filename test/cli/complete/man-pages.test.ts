import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sluiceProgram } from "../../../src/cli/commands.js";

/** Where the build puts them. */
const DIRECTORY = join(import.meta.dirname, "../../../dist/man/man1");
const pages = readdirSync(DIRECTORY).sort();

function rendered(page: string): string {
  const text = execFileSync("mandoc", ["-T", "utf8", join(DIRECTORY, page)], { encoding: "utf8" });
  // Bold and underlined letters are struck over: what stands before a backspace goes.
  const parts = text.split("\b");
  return parts.map((part, i) => (i < parts.length - 1 ? part.slice(0, -1) : part)).join("");
}

test("there is a page for the whole and for each command that people see", async () => {
  const program = await sluiceProgram([]);
  const shown = program.createHelp().visibleCommands(program);
  const names = shown
    .map((command) => `sluice-${command.name()}.1`)
    .filter((name) => name !== "sluice-help.1");
  expect(pages).toEqual(["sluice.1", ...names].sort());
});

describe.each(pages)("%s", (page) => {
  test("has nothing that a checker of manual pages objects to", () => {
    const lint = spawnSync("mandoc", ["-T", "lint", "-W", "warning", join(DIRECTORY, page)], {
      encoding: "utf8",
    });
    const objections = lint.stdout
      .split("\n")
      .filter((line) => line !== "" && !line.includes("missing date"));
    expect(objections).toEqual([]);
  });

  test("has the sections that readers look for", () => {
    const headings = rendered(page).match(/^[A-Z][A-Z ]+$/gm);
    expect(headings).toEqual(
      expect.arrayContaining(["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]),
    );
  });
});

test("a page describes the commands below it with their options and an example", () => {
  const text = rendered("sluice-module.1");
  const remove = text.slice(text.indexOf("module remove"), text.indexOf("module list"));
  expect(remove).toContain("--cancel");
  expect(remove).toContain("sluice module remove --cancel motd");
});
