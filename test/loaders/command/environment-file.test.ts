/** The grammar of dotenv files (docs/design/programs.md §1). */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { parseEnvironment } from "../../../src/loaders/command/environment-file.js";
import { startStage } from "./support.js";

/** The specification: each line, and what it sets. */
const TABLE: readonly (readonly [line: string, value: string | undefined])[] = [
  ["A=plain", "plain"],
  ["A=", ""],
  ["export A=1", "1"],
  ["A=a#b", "a#b"],
  ["A=a # b", "a"],
  ["A= # b", ""],
  ["A=#b", "#b"],
  ["A=$HOME/${X}$$", "$HOME/${X}$$"],
  ["A='$HOME # \"x\" \\n'", '$HOME # "x" \\n'],
  ['A="$HOME"', "$HOME"],
  ['A="a\\nb\\r\\t\\"\\\\\\$"', 'a\nb\r\t"\\$'],
  ["A=a\\nb", "a\\nb"],
  ["A=  two words  ", "two words"],
  ["A='  two words  '  # said", "  two words  "],
  ["A=it's", "it's"],
  ["A=a=b", "a=b"],
  ["A=\u00fcber", "\u00fcber"],
  ["# A=1", undefined],
  ["", undefined],
  ["A=crlf\r", "crlf"],
];

test.each(TABLE)("trap-C5 the line %j sets %j", (line, value) => {
  expect(parseEnvironment(`${line}\n`, "f")).toEqual(value === undefined ? {} : { A: value });
});

test.each([
  ["A = 1", "f:1:1"],
  ["just words", "f:1:1"],
  ["1A=2", "f:1:1"],
  ['A="x"y', "f:1:6"],
  ["A='x", "f:1:3"],
  ['A="x', "f:1:3"],
  ['A="\\d"', "f:1:4"],
])("the line %j is an error, at %s", (line, place) => {
  expect(() => parseEnvironment(line, "f")).toThrow(`${place}: `);
});

test("every mistake of a file is named at once", () => {
  expect(() => parseEnvironment("A=1\nno\nB='\n", "f")).toThrow(/f:2:1: .*; f:3:3: /);
});

test("each line that is not UTF-8 is a mistake", () => {
  const content = Buffer.from("A=1\nB=\xff\nC=\xc3\xbc\nD=\xe9", "latin1");
  expect(() => parseEnvironment(content, "f")).toThrow(
    "f:2:1: the line is not UTF-8; f:4:1: the line is not UTF-8",
  );
  expect(parseEnvironment(content.subarray(8, 12), "f")).toEqual({ C: "\u00fc" });
});

test("what is written in single quotes comes back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (value) => {
      fc.pre(!/['\n\r\0]/.test(value));
      expect(parseEnvironment(`X='${value}'`, "f")).toEqual({ X: value });
    }),
  );
});

describe("a program with environment files", () => {
  test("gets their variables, read at each start, and those of its unit over them", async () => {
    const { load, remove, write, log } = await startStage();
    write("a.env", "FROM_FILE=1\nBOTH=file\n");
    const program = {
      command: 'echo "$FROM_FILE $BOTH" > out; cat out >&2; exec sleep 1000',
      environmentFile: ["a.env", "-missing.env"],
      environment: { BOTH: "unit" },
      ready: { log: "." },
    };
    await load(program);
    await remove();
    write("a.env", "FROM_FILE=2\n");
    await load({ ...program, ready: { log: "^2 unit$" } });
    expect(log.filter(({ level }) => level === "err")).toEqual([]);
  });

  test("does not start if one is missing or invalid, with the place", async () => {
    const { load, write, dir } = await startStage();
    await expect(load({ command: "touch started", environmentFile: ["none.env"] })).rejects.toThrow(
      `environment-file ${join(dir, "none.env")}: No such file or directory`,
    );
    write("bad.env", "A=1\nB = 2\n");
    await expect(load({ command: "touch started", environmentFile: ["bad.env"] })).rejects.toThrow(
      `${join(dir, "bad.env")}:2:1: expected NAME=VALUE`,
    );
  });
});
