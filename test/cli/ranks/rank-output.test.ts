import fc from "fast-check";
import { expect, test } from "vitest";
import { RankLines } from "../../../src/cli/ranks/rank-output.js";

function passed(lines: RankLines, chunks: readonly Buffer[]): Buffer {
  return Buffer.concat([...chunks.flatMap((chunk) => lines.push(chunk)), ...lines.end()]);
}

const CHUNKS = fc.array(
  fc
    .array(fc.oneof(fc.constant(0x0a), fc.integer({ min: 0, max: 255 })), { maxLength: 20 })
    .map((bytes) => Buffer.from(bytes)),
);

test("without a label, bytes come out as they went in, however they are cut", () => {
  fc.assert(
    fc.property(CHUNKS, (chunks) => {
      expect(passed(new RankLines(undefined), chunks)).toEqual(Buffer.concat(chunks));
    }),
  );
});

test("with a label, every line begins with it, and a last line without an end gets one", () => {
  fc.assert(
    fc.property(CHUNKS, (chunks) => {
      const all = Buffer.concat(chunks).toString("latin1");
      const lines = all.split("\n");
      if (lines.at(-1) === "") lines.pop();
      const labelled = passed(new RankLines("3: "), chunks).toString("latin1");
      expect(labelled).toBe(lines.map((line) => `3: ${line}\n`).join(""));
    }),
  );
});

test("only whole lines are passed on before the end", () => {
  fc.assert(
    fc.property(CHUNKS, (chunks) => {
      const lines = new RankLines(undefined);
      for (const chunk of chunks) {
        const out = Buffer.concat(lines.push(chunk));
        if (out.length > 0) expect(out.at(-1)).toBe(0x0a);
      }
    }),
  );
});

test("a line that does not end is passed on in pieces of a mebibyte, so that memory stays bounded", () => {
  const lines = new RankLines(undefined);
  const chunk = Buffer.alloc(65_536, "x");
  const sizes = Array.from({ length: 40 }, () => Buffer.concat(lines.push(chunk)).length);
  expect(sizes.filter((size) => size > 0)).toEqual([1_048_576, 1_048_576]);
  expect(Buffer.concat(lines.end()).length).toBe(8 * 65_536);
});
