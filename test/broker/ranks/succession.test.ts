/** How a new rank 0 finds the last event of the leader before. */
import { expect, test } from "vitest";
import type { Hello } from "../../../src/broker/ranks/root/members.js";
import { Succession } from "../../../src/broker/ranks/root/succession.js";
import { channelPair } from "../../../src/messages/index.js";

const KEPT_BYTES = (): number => 1024 * 1024;

/** A rank that has received the events up to a number says hello. */
function arrive(succession: Succession, rank: number, seq: number): void {
  const [channel] = channelPair();
  const place = { rank, size: 4, instanceId: "succession", uuid: `uuid-${rank}`, host: "a", pid: rank };
  const hello: Hello = { kind: "hello", seq, ...place };
  succession.add(hello, { channel, destroy: () => channel.close() }, () => undefined);
}

test("a rank that has received events counts, also if it has not named its leader", async () => {
  const succession = new Succession();
  arrive(succession, 1, 7);
  arrive(succession, 2, 7);
  expect(await succession.inherit(new Set(), 10_000, KEPT_BYTES)).toMatchObject({ seq: 7 });
});

test("without a rank that has received events the numbers begin, and nothing waits", async () => {
  const succession = new Succession();
  arrive(succession, 1, 0);
  expect(await succession.inherit(new Set(), 3_600_000, KEPT_BYTES)).toBeUndefined();
  expect(await new Succession().inherit(new Set(), 3_600_000, KEPT_BYTES)).toBeUndefined();
});
