import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName } from "../../src/errors/index.js";
import type { JsonValue } from "../../src/messages/index.js";
import { Job } from "../../src/modules/cron/job.js";
import { loopback } from "../../src/broker/routing/overlay.js";
import { gapOverlay } from "../broker/support/gap-overlay.js";
import { type Instance, withDirectory, withInstance } from "./instance.js";

const failsWith = (name: ErrnoName): unknown => expect.objectContaining({ errnum: ERRNO[name] });

async function withCron(use: (instance: Instance) => Promise<void>, ...args: string[]): Promise<void> {
  await withInstance({}, async (instance) => {
    await instance.load(["cron", ...args]);
    await use(instance);
  });
}

async function entries(instance: Instance): Promise<JsonValue[]> {
  return ((await instance.rpc("cron.list")) as { entries: JsonValue[] }).entries;
}

/** Resolves when the command of an entry has printed this. */
async function printed(instance: Instance, text: string): Promise<void> {
  await instance.logged((entry) => entry.name === "cron" && entry.text === text);
}

const count = (instance: Instance, text: string): number =>
  instance.log.filter((entry) => entry.text === text).length;

describe("cron", () => {
  test("runs the command of an interval again and again", async () => {
    await withCron(async (instance) => {
      await instance.rpc("cron.create", {
        name: "tick",
        interval: 0.02,
        command: "echo tick-$RANDOM",
      });
      const seen = new Set<string>();
      while (seen.size < 3) {
        const { text } = await instance.logged(
          (entry) => entry.text.startsWith("tick: tick-") && !seen.has(entry.text),
        );
        seen.add(text);
      }
      const [entry] = (await entries(instance)) as { runs: number }[];
      expect(entry?.runs).toBeGreaterThanOrEqual(3);
    });
  });

  test("runs the command of an event at each event, several entries of one topic", async () => {
    await withCron(async (instance) => {
      await instance.rpc("cron.create", { name: "a", event: "my.event", command: "echo ran" });
      await instance.rpc("cron.create", { name: "b", event: "my.event", command: "echo ran" });
      await instance.handle.publish("my.event");
      await Promise.all([printed(instance, "a: ran"), printed(instance, "b: ran")]);
      await instance.rpc("cron.delete", { name: "a" });
      await instance.rpc("cron.create", { name: "c", event: "my.event", command: "echo ran" });
      await instance.handle.publish("my.event");
      await printed(instance, "c: ran");
      // It may still have been running, but it was told.
      const b = (await entries(instance))[0] as { runs: number; skipped: number };
      expect(b.runs + b.skipped).toBe(2);
      expect(count(instance, "a: ran")).toBe(1);
    });
  });

  test("an entry that is deleted before its subscription is complete never runs", async () => {
    await withCron(async (instance) => {
      const event = { event: "my.event", command: "echo ran" };
      const created = instance.rpc("cron.create", { name: "a", ...event });
      await instance.rpc("cron.delete", { name: "a" });
      const again = instance.rpc("cron.create", { name: "a", ...event, command: "echo again" });
      await Promise.all([created, again]);
      await instance.handle.publish("my.event");
      await printed(instance, "a: again");
      expect(count(instance, "a: ran")).toBe(0);
      expect(await entries(instance)).toMatchObject([{ name: "a", command: "echo again", runs: 1 }]);
    });
  });

  test("runs the command of a crontab line when the time has come", async () => {
    await withCron(async (instance) => {
      await instance.rpc("cron.create", { name: "second", crontab: "* * * * * *", command: "echo now" });
      await printed(instance, "second: now");
    });
  });

  test("goes on after missed events, and runs nothing for those", async () => {
    const { overlay, away } = gapOverlay(loopback());
    await withInstance({ overlay }, async (instance) => {
      await instance.load("cron");
      await instance.rpc("cron.create", { name: "a", event: "my.event", command: "echo ran" });
      await away(() => instance.handle.publish("my.event"));
      await instance.rpc("cron.ping");
      await instance.handle.publish("my.event");
      await printed(instance, "a: ran");
      expect(await instance.rpc("cron.list")).toMatchObject({ entries: [{ name: "a", runs: 1 }] });
      await instance.rpc("cron.delete", { name: "a" });
      await expect(instance.rpc("cron.delete", { name: "a" })).rejects.toThrow();
    });
  });

  test("what time makes due waits for the event that sync names, what an event makes due does not", async () => {
    await withCron(async (instance) => {
      await instance.rpc("cron.create", { name: "timed", interval: 0.01, command: "echo ran" });
      await instance.rpc("cron.create", { name: "clock", interval: 0.05, command: "echo ran" });
      await instance.rpc("cron.create", { name: "event", event: "e", command: "echo ran" });
      await instance.load(["heartbeat", "interval=0.1"]);
      const pulses = await instance.events("heartbeat.pulse");
      await pulses.atLeast(2);
      await instance.handle.publish("e");
      await printed(instance, "event: ran");
      expect(count(instance, "timed: ran")).toBe(0);
      expect(await entries(instance)).toMatchObject([{ runs: 0 }, { runs: 0 }, { runs: 1 }]);
      await instance.handle.publish("my.pulse");
      await Promise.all([printed(instance, "timed: ran"), printed(instance, "clock: ran")]);
      expect(await entries(instance)).toMatchObject([{ runs: 1 }, { runs: 1 }, { runs: 1 }]);
    }, "sync=my.pulse");
  });

  test("logs what a command prints and how it failed, and counts", async () => {
    await withCron(async (instance) => {
      const command = "echo out; echo err >&2; printf unfinished; exit 3";
      await instance.rpc("cron.create", { name: "bad", event: "e", command });
      await instance.rpc("cron.create", { name: "killed", event: "e", command: "kill -KILL $$" });
      await instance.handle.publish("e");
      const failure = await instance.logged(({ text }) => text === "bad: exited with exit status 3");
      expect(failure.level).toBe("err");
      await instance.logged(({ text }) => text === "killed: died by signal 9");
      expect((await instance.logged(({ text }) => text === "bad: out")).level).toBe("info");
      expect((await instance.logged(({ text }) => text === "bad: err")).level).toBe("warning");
      await printed(instance, "bad: unfinished");
      expect(await entries(instance)).toEqual([
        { name: "bad", event: "e", command, runs: 1, failures: 1, skipped: 0, running: false },
        {
          name: "killed",
          event: "e",
          command: "kill -KILL $$",
          runs: 1,
          failures: 1,
          skipped: 0,
          running: false,
        },
      ]);
    });
  });

  test("a command that prints much leaves turns to the other modules of the thread", async () => {
    const lines: string[] = [];
    const marks: number[] = [];
    const everyTurn = (): void => {
      marks.push(lines.length);
      if (lines.length < 50_000) setImmediate(everyTurn);
    };
    everyTurn();
    const job = new Job("seq 50000", { line: (_, text) => lines.push(text) });
    expect(await job.ended).toBeUndefined();
    await expect.poll(() => lines.length).toBe(50_000);
    expect(lines).toEqual(Array.from({ length: 50_000 }, (_, index) => String(index + 1)));
    expect(Math.max(...marks.map((mark, turn) => mark - (marks[turn - 1] ?? 0)))).toBeLessThanOrEqual(128);
  });

  test("never runs a command twice at a time", async () => {
    await withCron(async (instance) => {
      await instance.rpc("cron.create", { name: "slow", event: "e", command: "echo started; sleep 60" });
      await instance.handle.publish("e");
      await printed(instance, "slow: started");
      await instance.handle.publish("e");
      await instance.logged(({ name, text }) => name === "cron" && text.includes("skipped"));
      expect(await entries(instance)).toMatchObject([{ runs: 1, skipped: 1, running: true }]);
    });
  });

  test("takes the whole process group of a command down when it is removed", async () => {
    await withDirectory(async (directory) => {
      const fifo = join(directory, "fifo");
      execFileSync("mkfifo", [fifo]);
      await withCron(async (instance) => {
        // It ends when the last process that has it open for writing has ended.
        let isGone = false;
        const gone = readFile(fifo).then(() => (isGone = true));
        const command = `exec 9>${fifo}; trap '' TERM; sleep 1000 & echo up; wait; sleep 1000`;
        await instance.rpc("cron.create", { name: "stubborn", event: "e", command });
        await instance.handle.publish("e");
        await printed(instance, "stubborn: up");
        expect(isGone).toBe(false);
        await instance.remove("cron");
        await gone;
      });
    });
  });

  test("takes names once, and exactly one valid schedule", async () => {
    await withCron(async (instance) => {
      const create = async (payload: Record<string, JsonValue>): Promise<unknown> =>
        await instance.rpc("cron.create", { name: "x", command: "true", ...payload });
      for (const payload of [
        {},
        { interval: 1, event: "e" },
        { interval: 0 },
        { interval: 1e9 },
        { event: "" },
        { crontab: "" },
        { crontab: "* * * *" },
        { crontab: "61 * * * *" },
        { crontab: "2026-01-01T00:00:00" },
        { interval: 1, name: "" },
        { interval: 1, command: " " },
      ]) {
        await expect(create(payload)).rejects.toEqual(failsWith("EINVAL"));
      }
      expect(await entries(instance)).toEqual([]);
      await create({ crontab: "0 4 * * 1" });
      await expect(create({ interval: 1 })).rejects.toEqual(failsWith("EEXIST"));
      await expect(instance.rpc("cron.delete", { name: "y" })).rejects.toEqual(failsWith("ENOENT"));
      await instance.rpc("cron.delete", { name: "x" });
      expect(await entries(instance)).toEqual([]);
      await create({ interval: 1000 });
    });
  });
});
