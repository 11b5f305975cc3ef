import { describe, expect, test } from "vitest";
import { leaderGates, parseDelay } from "../../src/broker/index.js";
import { startBroker } from "./support/start-broker.js";
import { memoryOverlay } from "./support/memory-overlay.js";

/** Rank 0 of four; the others are what the test says they are. */
async function leader(attributes: Readonly<Record<string, string>> = {}) {
  const [overlay] = memoryOverlay(4);
  const { broker, log } = await startBroker({}, { overlay, attributes });
  const gates = leaderGates(broker);
  const lines = (): string[] => log.filter(({ level }) => level === "err").map(({ text }) => text);
  const come = (...ranks: number[]): void => {
    for (const rank of ranks) {
      broker.roster.joined(rank);
      broker.roster.online(rank);
    }
  };
  return {
    roster: broker.roster,
    quorum: () => gates.startQuorum?.(),
    shutdown: () => gates.startShutdown?.(),
    lines,
    come,
  };
}

describe("the quorum", () => {
  test("is there when all ranks have joined and done their rc1, in any order", async () => {
    const { quorum, come, roster, lines } = await leader();
    come(3);
    const phase = quorum();
    roster.joined(1);
    come(2);
    roster.online(1);
    expect(await phase?.exited).toBe(0);
    expect(lines()).toEqual([]);
  });

  test("is given up when a rank that it takes is lost, failed or never began, naming each", async () => {
    const { quorum, come, roster, lines } = await leader({ "broker.quorum": "2" });
    const phase = quorum();
    roster.joined(1);
    roster.left(1, "lost");
    roster.joined(2);
    roster.failed(2);
    roster.left(2, "goodbye");
    roster.ended(3);
    expect(await phase?.exited).toBe(1);
    expect(lines()).toEqual([
      "no quorum: 1 of 4 ranks have joined (needed: 2); rc1 failed: rank 2; lost: ranks 1,3",
    ]);
    // A rank that comes too late changes nothing.
    come(3);
    expect(lines().length).toBe(1);
  });

  test("is waited for with a word about which ranks are missing, on the log and for a service manager", async () => {
    const [overlay] = memoryOverlay(4);
    const attributes = { "broker.waiting-after": "1ms", "broker.waiting-every": "1ms" };
    const { broker, logged } = await startBroker({}, { overlay, attributes });
    const told: string[] = [];
    const phase = leaderGates(broker, (text) => told.push(text)).startQuorum?.();
    broker.roster.joined(2);
    broker.roster.online(2);
    const { level, text } = await logged("2 of 4 ranks have joined (needed: 4); missing: ranks 1,3");
    expect(level).toBe("warning");
    expect(text).toMatch(/^waiting for ranks \(\d+ s\): /);
    expect(told).toContain(text);
    phase?.kill();
    await phase?.exited;
  });

  test("is given up after its time, naming who is missing", async () => {
    const { quorum, come, lines } = await leader({ "broker.quorum-timeout": "10ms" });
    come(2);
    expect(await quorum()?.exited).toBe(1);
    expect(lines()).toEqual([
      "no quorum within 0.01 s: 2 of 4 ranks have joined (needed: 4); missing: ranks 1,3",
    ]);
  });

  test("is not waited for any more when told to stop", async () => {
    const { quorum } = await leader({ "broker.quorum-timeout": "infinity" });
    const phase = quorum();
    phase?.signal("SIGTERM");
    expect(await phase?.exited).toBe(1);
  });
});

describe("the shutdown of rank 0", () => {
  test("waits until all others have gone, by themselves or not, and a signal does not hurry it", async () => {
    const { shutdown, come, roster } = await leader();
    come(1, 2);
    let isOver = false;
    const phase = shutdown();
    const ended = phase?.exited.then(() => (isOver = true));
    phase?.signal("SIGTERM");
    roster.left(1, "goodbye");
    await Promise.resolve();
    expect(isOver).toBe(false);
    roster.left(2, "lost");
    await ended;
    expect(isOver).toBe(true);
  });
});

test.each([
  ["3", 3000],
  ["0.5", 500],
  ["500ms", 500],
  ["2m", 120_000],
  ["infinity", Infinity],
  ["soon", undefined],
  ["", undefined],
  ["-1", undefined],
])("a delay of '%s' is %s ms", (text, ms) => {
  expect(parseDelay(text)).toBe(ms);
});
