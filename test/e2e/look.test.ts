import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  box.write(
    "watched.mjs",
    `export async function modMain(h) {
       h.handle("flag", () => ({ set: h.debugTest(0x2) }));
       await h.run();
     }`,
  );
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

/** Runs commands in an instance without modules of its own; gives what they print, line by line. */
async function linesOf(...commands: readonly string[]): Promise<string[]> {
  const script = ["sluice module load ./watched.mjs", ...commands, "sluice module remove watched"];
  const start = ["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path=", script.join("\n")];
  const { stdout, stderr } = await box.run(start);
  expect(stderr).toBe("");
  return stdout.trimEnd().split("\n");
}

test("module stats counts what a module sends and gets, and is cleared", async () => {
  const [whole = "", requests, tenfold, cleared] = await linesOf(
    "sluice module stats watched",
    "sluice module stats -p rx.request -t int watched",
    "sluice module stats -p rx.request -t int -s 10 watched",
    "sluice module stats -c watched && sluice module stats -p rx.event watched",
  );
  expect(JSON.parse(whole)).toMatchObject({
    tx: { request: expect.any(Number) as number },
    rx: { event: 0 },
  });
  expect(Number(requests)).toBeGreaterThan(0);
  expect(Number(tenfold) % 10).toBe(0);
  expect(cleared).toBe("0");
});

test("module stats shows the resource usage of the process", async () => {
  const [maxrss, whole = ""] = await linesOf(
    "sluice module stats -Rself -p maxrss -t int watched",
    "sluice module stats -R watched",
  );
  expect(JSON.parse(whole)).toHaveProperty("utime");
  expect(Number(maxrss)).toBeGreaterThan(1000);
});

test("module debug prints bits in hex, also those that it has changed, takes masks in hex, octal and decimal, and the module sees them", async () => {
  const lines = await linesOf(
    "sluice module debug watched",
    "sluice module debug -S 0x10 watched",
    "sluice module debug -s 2 watched",
    "sluice rpc watched.flag",
    "sluice module debug --clearbit 020 watched",
    "sluice module debug -C watched",
    "sluice module debug watched",
  );
  expect(lines).toEqual(["0x0", "0x10", "0x12", '{"set":true}', "0x2", "0x0", "0x0"]);
});

test("event sub prints what event pub publishes, in one order without gaps", async () => {
  const lines = await linesOf(
    "sluice event sub -c 2 'site.*' & sub=$!",
    // Once the subscription is in place, the next event is the first that it sees.
    "until sluice event pub other.topic && sluice event pub site.a '{\"n\":1}' && ! kill -0 $sub 2>/dev/null; do :; done",
    "wait $sub",
  );
  expect(lines).toHaveLength(2);
  const [first = "", second = ""] = lines;
  expect(first).toMatch(/^\d+ site\.a \{"n":1\}$/);
  expect(parseInt(second) - parseInt(first)).toBe(2);
});
