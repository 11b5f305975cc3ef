import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { siteInFile } from "../../src/rc/declaration-site.js";
import { parseFromHost } from "../../src/rc/host-message.js";
import { LineSplitter } from "../../src/rc/line-splitter.js";
import { OutputLines } from "../../src/rc/output-lines.js";

function linesOf(chunks: readonly Buffer[], longest?: number): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), longest);
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

describe("lines", () => {
  test("are the same however the bytes are cut", () => {
    const text = fc.array(fc.string({ unit: "grapheme" }).map((line) => line.replace(/[\r\n]/g, "")));
    fc.assert(
      fc.property(text, fc.array(fc.nat(200)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const chunks: Buffer[] = [];
        let start = 0;
        for (const cut of cuts.toSorted((a, b) => a - b)) {
          chunks.push(bytes.subarray(start, Math.max(start, cut)));
          start = Math.max(start, cut);
        }
        chunks.push(bytes.subarray(start));
        expect(linesOf(chunks)).toEqual(lines);
      }),
    );
  });

  test("may end with a carriage return, or not at all", () => {
    expect(linesOf([Buffer.from("a\r\n\nb")])).toEqual(["a", "", "b"]);
  });

  test("without an end are handed on in pieces", () => {
    expect(linesOf([Buffer.from("abcd"), Buffer.from("ef\n")], 4)).toEqual(["abcd", "ef"]);
  });

  test("of several units do not mix", () => {
    const lines: string[] = [];
    const output = new OutputLines(({ unit, stream, text }) =>
      lines.push(`${unit ?? "-"} ${stream} ${text}`),
    );
    output.push("a", "stdout", "one ");
    output.push("b", "stdout", "two\n");
    output.push("a", "stderr", "oops");
    output.push("a", "stdout", "three\n");
    output.push(undefined, "stdout", "nobody");
    output.end("a");
    output.endAll();
    expect(lines).toEqual(["b stdout two", "a stdout one three", "a stderr oops", "- stdout nobody"]);
  });
});

describe("the place of a declaration", () => {
  test("is the topmost of its file in a stack", () => {
    const stack = "Error\n at task (/x/task.js:9:1)\n at /rc/a.ts:12:5\n at f (/rc/a.ts:1:1)";
    expect(siteInFile(stack, "/rc/a.ts")).toEqual({ line: 12, column: 5 });
  });

  test("is nowhere if the file is not there", () => {
    expect(siteInFile("Error: /rc/a.ts: odd\n at /rc/b.ts:1:1", "/rc/a.ts")).toEqual({ line: 0, column: 0 });
  });
});

describe("a message of a host", () => {
  test.each([
    '{"op":"tasks","file":"/a","tasks":[]}',
    '{"op":"read","file":"/a","effects":[]}',
    '{"op":"end","task":"t"}',
    '{"op":"output","stream":"stdout","text":""}',
    '{"op":"set","key":"k","value":null}',
    '{"op":"refresh","id":1}',
  ])("is %s", (line) => {
    expect(parseFromHost(line)).toEqual(JSON.parse(line));
  });

  test.each([
    "hello",
    "null",
    "[]",
    "{}",
    '{"op":"constructor"}',
    '{"op":"end"}',
    '{"op":"end","task":1}',
    '{"op":"output","stream":"stdin","text":""}',
    '{"op":"setenv","id":"1","env":{}}',
  ])("is not %s", (line) => {
    expect(parseFromHost(line)).toBeUndefined();
  });
});
