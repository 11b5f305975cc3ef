import { describe, expect, test } from "vitest";
import { parseConfigText, parseFragment } from "../../src/units/index.js";
import { catalogOf, summaryOf, unitOf, valueOf } from "./support.js";

const LINES = ["#!/bin/sh", "echo 'a  b' \\", "  | tee x", ""];
const windows = (text: string) => text.replaceAll("\n", "\r\n");

describe("a file with the line ends of Windows", () => {
  test.each([
    ["TOML, literal", "a.toml", `[[tasks]]\nname = "t"\ncommand = '''\n${LINES.join("\n")}'''\n`],
    [
      "TOML, basic",
      "a.toml",
      `[[tasks]]\nname = "t"\ncommand = """\n${LINES.join("\n").replaceAll("\\", "\\\\")}"""\n`,
    ],
    [
      "YAML",
      "a.yaml",
      `tasks:\n- name: t\n  command: |\n${LINES.map((line) => `    ${line}\n`)
        .join("")
        .trimEnd()}\n`,
    ],
  ])("fault-F8: has LF in strings of several lines: %s", (_, file, text) => {
    for (const body of [text, windows(text)]) {
      expect(unitOf(catalogOf({ [file]: body }), "t")).toMatchObject({ command: LINES.join("\n") });
    }
  });

  test("fault-F8: keeps a CR that is written as an escape", () => {
    const table = valueOf(parseConfigText(windows('a = """x\\r\ny"""\nb = "\\r\\n"\n'), "a.toml"));
    expect(table).toEqual({ a: "x\r\ny", b: "\r\n" });
  });

  test("has its mistakes at the same line and column", () => {
    const text = '[[modules]]\nname = "m"\nargs = ["""\nx\n"""]\n';
    for (const mistake of ['ranks = "3-1"\n', "ranks = \n", "[[modules]\n"]) {
      const places = summaryOf(parseFragment(text + mistake, { file: "a.toml" }));
      expect(summaryOf(parseFragment(windows(text + mistake), { file: "a.toml" }))).toEqual(places);
    }
  });
});
