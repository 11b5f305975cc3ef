/** What is kept of the output of ordinary programs (docs/design/programs.md §1). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutputLines } from "../../../src/loaders/command/output-lines.js";
import type { OutputLine } from "../../../src/loaders/module-loader.js";
import { fields, type JsonValue, type Payload } from "../../../src/messages/index.js";
import { type Stage, startStage } from "./support.js";

const PART_BYTES = 64 * 1024;

function linesOf(chunks: readonly Buffer[]): OutputLine[] {
  const lines: OutputLine[] = [];
  const splitter = new OutputLines("stdout", (line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

/** What a program has written, as `sluice logs` asks for it. */
async function outputOf(
  { handle }: Stage,
  request: Readonly<Record<string, JsonValue>> = {},
): Promise<Payload[]> {
  const lines: Payload[] = [];
  for await (const line of handle.rpcStream("log.output", request)) lines.push(line);
  return lines;
}

async function sizeOf({ handle }: Stage): Promise<{ written: number; kept: number; dropped: number }> {
  const { programs } = fields(await handle.rpc("log.programs"), { programs: "array" });
  return fields(programs[0] ?? null, { written: "integer", kept: "integer", dropped: "integer" });
}

test("however a text is cut into chunks, its lines and bytes are the same", () => {
  const text = fc.array(fc.constantFrom("a", "\u00e9", "\u20ac", "\u{1f600}", "\n", "\r\n", "line"), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(text, fc.array(fc.nat(200), { maxLength: 8 }), (words, cuts) => {
      const bytes = Buffer.from(words.join(""));
      const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
      const lines = linesOf(ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end)));
      expect(lines.map(({ text: line }) => line)).toEqual(
        words
          .join("")
          .replace(/\n$/, "")
          .split("\n")
          .map((line) => line.replace(/\r$/, ""))
          .slice(bytes.length === 0 ? 1 : 0),
      );
      expect(lines.reduce((sum, line) => sum + line.bytes, 0)).toBe(bytes.length);
    }),
  );
});

test("trap-C7 a long line is cut into numbered parts, never inside a character, and nothing of it is lost", () => {
  const long = "\u20ac".repeat(50_000);
  for (const shift of ["", "a", "aa"]) {
    const lines = linesOf([Buffer.from(`before\n${shift}${long}\nafter\n`)]);
    expect(lines.map(({ part, hasMore }) => [part, hasMore])).toEqual([
      [undefined, undefined],
      [1, true],
      [2, true],
      [3, false],
      [undefined, undefined],
    ]);
    const parts = lines.slice(1, -1).map(({ text }) => text);
    expect(parts.join("")).toBe(shift + long);
    expect(parts.every((part) => Buffer.byteLength(part) <= PART_BYTES)).toBe(true);
  }
});

test("a line of exactly the longest length is whole", () => {
  expect(linesOf([Buffer.from(`${"x".repeat(PART_BYTES)}\n`)]).map(({ part }) => part)).toEqual([undefined]);
});

describe("the output of a program", () => {
  test("is kept line by line with time, unit and stream, also that of earlier starts", async () => {
    const stage = await startStage();
    await stage.load({ command: "echo one; echo two >&2; printf three" });
    await stage.logged("p exited");
    const lines = await outputOf(stage, { units: ["p"] });
    expect(lines.map((line) => fields(line, { unit: "string", text: "string" }).text).sort()).toEqual([
      "one",
      "three",
      "two",
    ]);
    expect(lines).toContainEqual(expect.objectContaining({ unit: "p", stream: "stderr", text: "two" }));
    await stage.load({ command: "echo four" });
    await expect
      .poll(() => outputOf(stage, { lines: 1 }))
      .toEqual([expect.objectContaining({ text: "four" })]);
    expect(await outputOf(stage)).toHaveLength(4);
    expect(await outputOf(stage, { since: Date.now() / 1000 + 1000 })).toEqual([]);
    await expect(outputOf(stage, { units: ["q"] })).rejects.toThrow(
      "q: no started program and no task with output has this name",
    );
  });

  test("comes live to what follows it", async () => {
    const stage = await startStage();
    await stage.load({ command: "until [ -e go ]; do sleep 0.02; done; echo gone; exec sleep 1000" });
    const stream = stage.handle.rpcStream("log.output", { units: ["p"], follow: true });
    stage.write("go", "");
    for await (const line of stream) {
      expect(line).toMatchObject({ unit: "p", text: "gone" });
      break;
    }
  });

  test("is counted to the byte when it is more than is kept: kept and dropped are what was written", async () => {
    const stage = await startStage();
    const bytes = 64 * 1024 * 1024;
    await stage.load({ command: `yes 'a line of some length' | head -c ${bytes}; echo; echo last` });
    // The broker goes on serving: no answer waits for all of it.
    const slowest = { ms: 0 };
    const ended = new AbortController();
    const over = stage.logged("p exited").then(() => ended.abort());
    while (!ended.signal.aborted) {
      const beganMs = performance.now();
      await stage.handle.rpc("p.ping").catch(() => undefined);
      slowest.ms = Math.max(slowest.ms, performance.now() - beganMs);
    }
    await over;
    expect(slowest.ms).toBeLessThan(5000);
    const { written, kept, dropped } = await sizeOf(stage);
    expect(written).toBe(bytes + "\nlast\n".length);
    expect(kept + dropped).toBe(written);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(1024 * 1024);
    expect(await outputOf(stage, { lines: 1 })).toEqual([expect.objectContaining({ text: "last" })]);
  });
});
