import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

const PROGRAMS = resolve(import.meta.dirname, "../fixtures/programs");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

for (const [backing, disable] of [
  ["content-sqlite", ""],
  ["content-files", "content-sqlite"],
] as const) {
  test(`kill -9 of the broker amid 1,000 puts loses none that was answered and tears none, with ${backing}`, async () => {
    const env = { FLUX_MODPROBE_DISABLE: disable };
    const start = ["start", "-S", `statedir=${join(box.dir, "state")}`, "node"];
    const writer = box.start([...start, join(PROGRAMS, "put-many.mjs")], { env });
    await writer.waitFor("put 300\n");
    const brokerPid = Number(/^broker (\d+)$/m.exec(writer.output())?.[1]);
    process.kill(brokerPid, "SIGKILL");
    const killed = await writer.finished;
    expect(killed.status).toBe(1);
    expect(killed.stderr).toContain("broker was killed by SIGKILL");
    expect(box.leftovers()).toEqual([]);
    expect(box.survivors()).toEqual([]);

    const answered = [...killed.stdout.matchAll(/^put (\d+)$/gm)].map((match) => Number(match[1]));
    const reader = await box.run([...start, join(PROGRAMS, "get-many.mjs")], { env });
    expect(reader.status).toBe(0);
    expect(reader.stderr).toContain("the last shutdown was not clean");
    const found = new Map<number, string>();
    for (const line of reader.stdout.trimEnd().split("\n")) {
      const { n, text } = JSON.parse(line) as { n: number; text: string };
      found.set(n, text);
    }
    expect(answered.filter((n) => !found.has(n))).toEqual([]);
    expect([...found].filter(([n, text]) => text !== `${n}:`.repeat(100))).toEqual([]);
    expect(answered.length).toBeLessThan(1000);
  });
}
